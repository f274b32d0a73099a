"""Every way to an upstream, and a listener behind a load balancer: configuration to answer."""

from __future__ import annotations

import base64
import json
import os
import shutil
import socket
import subprocess
from pathlib import Path
from typing import Any

import pytest
from pytest_twisted import ensureDeferred
from twisted.internet import reactor as installed
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.interfaces import IHostnameResolver
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.threads import deferToThread
from zope.interface import implementer

from pomerium_tw.service import PomeriumService, make_service
from pomerium_tw.telemetry import LineWriter
from pomerium_tw.transport import listen
from pomerium_tw.transport.listening import TLSServer
from tests.logs import AtOnce
from tests.transport.pairs import CA, ServerSide

from .test_run import ask

reactor: Any = installed


class Answering(Protocol):
    """Answers one request."""

    def dataReceived(self, data: bytes) -> None:
        transport: Any = self.transport
        transport.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello")


class OverUnix(TLSServer):
    """TLS on an accepted unix socket, which has no port."""

    def __init__(self, sock: Any, protocol: Any, _client: Any, *rest: Any) -> None:
        super().__init__(sock, protocol, ("", 0), *rest)


def upstream(scheme: str, folder: Path) -> tuple[Any, str]:
    """Something that listens, and its URL."""
    factory = Factory.forProtocol(Answering)
    factory.noisy = False
    path = str(folder / "up.sock")
    if scheme == "unix":
        return reactor.listenUNIX(path, factory), f"unix://{path}"
    if scheme == "https+unix":
        port = reactor.listenUNIX(path, factory)
        port.tls, port.transport = ServerSide(), OverUnix
        return port, f"https+unix://{path}"
    port = listen(
        reactor, 0, factory, 50, "127.0.0.1", tls=ServerSide() if scheme.startswith("https") else None
    )
    name = "wrong.localhost" if scheme == "https, wrong name" else "localhost"
    return port, f"{scheme.partition(',')[0]}://{name}:{port.getHost().port}"


class Running:
    def __init__(self, folder: Path, more: str) -> None:
        self.lines: list[bytes] = []
        path = folder / "c.yaml"
        path.write_text(f"state_dir: {folder / 'state'}\naddress: 127.0.0.1:0\n{more}", "utf-8")
        self.writer = LineWriter(AtOnce(1, self._write), reactor)
        self.service: PomeriumService = make_service(str(path), {}, writer=self.writer)

    def _write(self, _fd: int, data: bytes) -> int:
        self.lines += data.splitlines()
        return len(data)

    def logged(self, name: str) -> list[Any]:
        self.writer.flush()
        return [entry[name] for entry in map(json.loads, self.lines) if name in entry]


PLAIN = """
databroker_storage_type: memory
insecure_server: true
routes:
  - from: https://app.example.com
    to: {to}
    allow_public_unauthenticated_access: true
"""
ROUTE = f"{PLAIN}    tls_custom_ca: {{ca}}\n"


@pytest.mark.parametrize(
    ("scheme", "status"),
    [("http", 200), ("https", 200), ("unix", 200), ("https+unix", 200), ("https, wrong name", 503)],
)
@ensureDeferred
async def test_an_upstream_is_reached(tmp_path: Path, scheme: str, status: int) -> None:
    port, url = upstream(scheme, tmp_path)
    authority = base64.b64encode(CA.cert_pem.bytes()).decode()
    # A socket has no name of its own to be verified.
    more = "    tls_server_name: localhost\n" if scheme == "https+unix" else ""
    running = Running(tmp_path, ROUTE.format(to=url, ca=authority) + more)
    running.service.startService()
    await running.service.ready
    answered, _kind, text = await ask(running.service, "/")
    assert answered == status, text
    assert (text == "hello") is (status == 200)
    await running.service.stopService()
    await port.stopListening()


@implementer(IHostnameResolver)
class Rebound:
    """Whatever is asked for is at one address."""

    def __init__(self, address: str) -> None:
        self.address = address

    def resolveHostName(
        self, receiver: Any, _name: str, portNumber: int = 0, *_more: Any, **_options: Any
    ) -> Any:
        receiver.resolutionBegan(None)
        kind = IPv6Address if ":" in self.address else IPv4Address
        receiver.addressResolved(kind("TCP", self.address, portNumber))
        receiver.resolutionComplete()


@pytest.mark.parametrize(
    ("address", "denied", "met"),
    [
        ("127.0.0.1", "[169.254.0.0/16]", 1),
        ("127.0.0.1", "[127.0.0.0/8]", 0),
        ("0.0.0.0", "[127.0.0.0/8]", 0),  # noqa: S104 - a name that leads here
        ("::ffff:127.0.0.1", "[127.0.0.0/8]", 0),
    ],
)
@ensureDeferred
async def test_an_upstream_whose_name_changes_its_mind(
    tmp_path: Path, address: str, denied: str, met: int
) -> None:
    """It is not followed to an address that is denied (spec/threats SS-05)."""
    accepted: list[object] = []

    class Counting(Answering):
        def connectionMade(self) -> None:
            accepted.append(self)

    factory = Factory.forProtocol(Counting)
    factory.noisy = False
    port = reactor.listenTCP(0, factory, interface="127.0.0.1")
    text = PLAIN.format(to=f"http://rebound.test:{port.getHost().port}")
    running = Running(tmp_path, f"upstream_deny_networks: {denied}\n{text}")
    before = reactor.installNameResolver(Rebound(address))
    try:
        running.service.startService()
        await running.service.ready
        answered, _kind, _text = await ask(running.service, "/")
        await running.service.stopService()
    finally:
        reactor.installNameResolver(before)
    await port.stopListening()
    assert (answered, len(accepted)) == (200 if met else 503, met)


@pytest.mark.parametrize("header", [b"PROXY TCP4 192.0.2.7 198.51.100.1 4711 443\r\n", b""])
@ensureDeferred
async def test_behind_a_load_balancer_its_word_is_taken_for_the_client(tmp_path: Path, header: bytes) -> None:
    text = PLAIN.format(to="http://127.0.0.1:1")
    running = Running(tmp_path, "use_proxy_protocol: true\naccess_log_fields: [ip]\n" + text)
    running.service.startService()
    await running.service.ready

    def talk() -> bytes:
        with socket.create_connection(("127.0.0.1", running.service.port_number), timeout=10) as client:
            client.sendall(header + b"GET / HTTP/1.1\r\nHost: app.example.com\r\nConnection: close\r\n\r\n")
            try:
                return b"".join(iter(lambda: client.recv(65536), b""))
            except ConnectionResetError:
                return b""

    answer = await deferToThread(talk)
    assert answer[:13] == (b"HTTP/1.1 503 " if header else b"")
    await running.service.stopService()
    assert set(running.logged("ip")) == ({"192.0.2.7"} if header else set())


@pytest.mark.parametrize("options", [["--http1.1"], ["--no-alpn"], ["--http2"], ["--tls-max", "1.2"]])
@ensureDeferred
async def test_curl_is_answered_over_tls(tmp_path: Path, options: list[str]) -> None:
    if shutil.which("curl") is None and os.environ.get("CI") != "true":
        pytest.skip("curl is missing: scripts/programs")
    text = PLAIN.replace("insecure_server: true\n", "")
    running = Running(tmp_path, text.format(to="http://127.0.0.1:1"))
    running.service.startService()
    await running.service.ready
    place = f"app.example.com:{running.service.port_number}"
    command = ["curl", "-sSk", *options, "--connect-to", f"::127.0.0.1:{running.service.port_number}"]
    done = await deferToThread(
        subprocess.run,
        [*command, "-w", "%{http_version} %{num_connects}", f"https://{place}/ping", f"https://{place}/ping"],
        capture_output=True,
        text=True,
        timeout=10,
        check=False,
    )
    assert done.stdout == "OK\n1.1 1OK\n1.1 0", done.stderr
    await running.service.stopService()
