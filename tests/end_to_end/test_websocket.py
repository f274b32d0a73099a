"""Websockets of a library that nobody here wrote, and server-sent events, through a real proxy process."""

from __future__ import annotations

import asyncio
import base64
import queue
import re
import signal
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
import trustme
from websockets.exceptions import ConnectionClosedError, ConnectionClosedOK, InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.sync.server import ServerConnection, serve
from websockets.typing import Subprotocol

from tests.running import Running, free_port, running, wait_for

from .large_bodies import memory, read_head, still, upstream

GIVE_UP = 20.0
MEGABYTE = 1 << 20
MAX_GROWTH = 32 * MEGABYTE
"""Bytes of resident memory that 100 MB to a client that did not read may cost."""


def application(connection: ServerConnection) -> None:
    """Does what the path says."""
    request = connection.request
    assert request is not None
    match request.path:
        case "/echo":
            for message in connection:
                connection.send(message)
        case "/close":
            connection.recv()
            connection.close(4001, "enough")
        case "/fragments":
            connection.send(["frag", "men", "ts"])
            connection.send([b"\x00" * 10, b"\xff" * 10])
        case "/flood":
            piece = bytes(MEGABYTE)
            for _ in range(100):
                connection.send(piece)
        case "/drop":
            connection.recv()
            connection.socket.shutdown(socket.SHUT_RDWR)


CONFIG = """
address: 127.0.0.1:{port}
insecure_server: {insecure}
databroker_storage_type: memory
{certificate}
routes:
  - from: https://app.localhost
    to: http://127.0.0.1:{behind}
    allow_public_unauthenticated_access: true
    allow_websockets: true
  - from: https://other.localhost
    to: http://127.0.0.1:{behind}
    allow_public_unauthenticated_access: true
    allow_websockets: true
  - from: https://plain.localhost
    to: http://127.0.0.1:{behind}
    allow_public_unauthenticated_access: true
  - from: https://events.localhost
    to: http://127.0.0.1:{events}
    allow_public_unauthenticated_access: true
"""


class Door:
    """One running proxy with an application of websockets and one of events behind it."""

    def __init__(
        self, port: int, process: Running, configuration: Path, trust: ssl.SSLContext | None
    ) -> None:
        self.port = port
        self.process = process
        self._trust = trust
        self.configuration = configuration
        self.send_event: queue.Queue[bytes] = queue.Queue()

    def socket(self, host: str) -> socket.socket:
        """A connection, encrypted where the proxy's are."""
        plain = socket.create_connection(("127.0.0.1", self.port), GIVE_UP)
        return plain if self._trust is None else self._trust.wrap_socket(plain, server_hostname=host)

    def open(self, path: str, host: str = "app.localhost", **options: object) -> ClientConnection:
        plain = socket.create_connection(("127.0.0.1", self.port), GIVE_UP)
        end = plain if self._trust is None else beside(plain, self._trust, host)
        return connect(  # type: ignore[arg-type]  # the options of each test
            f"ws://{host}{path}", sock=end, max_size=None, proxy=None, **options
        )


def beside(plain: socket.socket, trust: ssl.SSLContext, host: str) -> socket.socket:
    """A socket in clear text to somebody who speaks TLS on ``plain``, in one thread.

    The client of these tests reads in one thread and writes in another. TLS sockets of Python do not bear it:
    one handshake in two hundred hung, without any proxy too.
    """
    near, far = socket.socketpair()

    async def copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(MEGABYTE):
                target.write(data)
                await target.drain()
        finally:
            target.close()

    async def relay() -> None:
        tls = await asyncio.open_connection(sock=plain, ssl=trust, server_hostname=host)
        clear = await asyncio.open_connection(sock=far)
        await asyncio.gather(copy(tls[0], clear[1]), copy(clear[0], tls[1]), return_exceptions=True)

    threading.Thread(target=asyncio.run, args=(relay(),), daemon=True).start()
    return near


@contextmanager
def opened(folder: Path, *, tls: bool) -> Iterator[Door]:
    port = free_port()
    trust, certificate = None, ""
    if tls:
        authority = trustme.CA()
        issued = authority.issue_cert(
            "app.localhost", "other.localhost", "plain.localhost", "events.localhost"
        )
        trust = ssl.create_default_context()
        authority.configure_trust(trust)
        chain = base64.b64encode(issued.cert_chain_pems[0].bytes()).decode()
        key = base64.b64encode(issued.private_key_pem.bytes()).decode()
        certificate = f"certificate: {chain}\ncertificate_key: {key}"

    def events(connection: socket.socket) -> None:
        """Each event is sent when the test says so, and not before."""
        while True:
            read_head(connection)
            connection.sendall(
                b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
            )
            while event := door.send_event.get(timeout=GIVE_UP):
                connection.sendall(b"%x\r\n%b\r\n" % (len(event), event))
            connection.sendall(b"0\r\n\r\n")

    with serve(application, "127.0.0.1", 0, max_size=None) as server, upstream(events) as behind_events:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        configuration = folder / "config.yaml"
        configuration.write_text(
            CONFIG.format(
                port=port,
                insecure=str(not tls).lower(),
                certificate=certificate,
                behind=server.socket.getsockname()[1],
                events=behind_events,
            )
        )
        arguments = ["-m", "pomerium_tw.cli", "run", str(configuration)]
        with running(arguments, folder / "output") as process:
            process.wait_for_text("ready")
            door = Door(port, process, configuration, trust)
            yield door


@pytest.fixture(scope="module", params=["plain", "tls"])
def door(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    with opened(tmp_path_factory.mktemp("websocket"), tls=request.param == "tls") as found:
        yield found


@pytest.mark.parametrize(
    "message",
    ["", "text", "ünï©ode \N{SNOWMAN}", b"", b"\x00\xff\r\n\r\n", "x" * MEGABYTE, bytes(range(256)) * 4096],
    ids=["empty", "text", "unicode", "no bytes", "bytes", "1 MB of text", "1 MB of bytes"],
)
def test_messages_come_back_as_they_were_sent(door: Door, message: str | bytes) -> None:
    with door.open("/echo") as connection:
        for _ in range(3):
            connection.send(message)
            assert connection.recv(GIVE_UP) == message


def test_fragments_arrive_as_the_fragments_that_they_are(door: Door) -> None:
    with door.open("/echo", compression=None) as connection:
        connection.send(["one", "two", "three"])
        assert connection.recv(GIVE_UP) == "onetwothree"
    with door.open("/fragments", compression=None) as connection:
        assert list(connection.recv_streaming()) == ["frag", "men", "ts", ""]
        assert b"".join(connection.recv_streaming()) == b"\x00" * 10 + b"\xff" * 10  # type: ignore[arg-type]


def test_pings_are_answered(door: Door) -> None:
    with door.open("/echo") as connection:
        assert connection.ping(b"are you there").wait(GIVE_UP)


def test_the_client_closes(door: Door) -> None:
    with door.open("/echo") as connection:
        connection.close(3001, "bye")
    assert connection.protocol.close_rcvd is not None
    assert (connection.protocol.close_rcvd.code, connection.protocol.close_rcvd.reason) == (3001, "bye")


def test_the_server_closes_first(door: Door) -> None:
    with door.open("/close") as connection:
        connection.send("now")
        with pytest.raises(ConnectionClosedError) as caught:
            connection.recv(GIVE_UP)
        assert caught.value.rcvd is not None
        assert (caught.value.rcvd.code, caught.value.rcvd.reason) == (4001, "enough")


def test_the_server_returns(door: Door) -> None:
    with door.open("/fragments") as connection:
        connection.recv(GIVE_UP)
        connection.recv(GIVE_UP)
        with pytest.raises(ConnectionClosedOK):
            connection.recv(GIVE_UP)


def test_the_server_vanishes(door: Door) -> None:
    with door.open("/drop") as connection:
        connection.send("now")
        with pytest.raises(ConnectionClosedError) as caught:
            connection.recv(GIVE_UP)
        assert caught.value.rcvd is None


def test_a_route_that_does_not_allow_them_refuses(door: Door) -> None:
    with pytest.raises(InvalidStatus) as caught:
        door.open("/echo", host="plain.localhost")
    assert caught.value.response.status_code == 403


def test_another_sites_page_is_refused(door: Door) -> None:
    with pytest.raises(InvalidStatus) as caught:
        door.open("/echo", origin="https://evil.test")
    assert caught.value.response.status_code == 403


def test_compression_and_other_headers_are_agreed_on_end_to_end(door: Door) -> None:
    with door.open("/echo", subprotocols=[Subprotocol("chat")]) as connection:
        assert connection.response is not None
        assert "permessage-deflate" in connection.response.headers["Sec-WebSocket-Extensions"]
        assert connection.subprotocol is None  # the server has none, and the proxy makes none up


def test_ws_07_a_client_that_does_not_read_costs_less_than_a_megabyte(door: Door) -> None:
    with door.open("/echo") as warm:
        warm.send("x" * MEGABYTE)
        warm.recv(GIVE_UP)
    before = memory(door.process)
    handshake = (
        b"GET /flood HTTP/1.1\r\nHost: app.localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    with closing(door.socket("app.localhost")) as connection:
        connection.sendall(handshake)
        assert read_head(connection).startswith(b"HTTP/1.1 101 ")
        wait_for(still(door.process), "the proxy to be at rest", GIVE_UP)
        assert memory(door.process) - before < MEGABYTE
        received = 0
        while received < 100 * MEGABYTE:
            piece = connection.recv(MEGABYTE)
            assert piece
            received += len(piece)
    assert memory(door.process) - before < MAX_GROWTH


def test_ws_06_a_reload_closes_what_it_does_not_allow_and_nothing_else(tmp_path: Path) -> None:
    with opened(tmp_path, tls=False) as door:
        with door.open("/echo") as denied, door.open("/echo", host="other.localhost") as allowed:
            text = door.configuration.read_text()
            door.configuration.write_text(text.replace("    allow_websockets: true\n", "", 1))
            begun = time.monotonic()
            door.process.process.send_signal(signal.SIGHUP)
            with pytest.raises(ConnectionClosedError):
                denied.recv(GIVE_UP)
            assert time.monotonic() - begun < 5
            allowed.send("still here")
            assert allowed.recv(GIVE_UP) == "still here"
        line = door.process.wait_for_line(message="http-request", path="/echo", authority="app.localhost")
        assert (line["response-code"], line["response-code-details"]) == (101, "access_revoked")


def test_each_event_arrives_before_the_next_is_sent(door: Door) -> None:
    with closing(door.socket("events.localhost")) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: events.localhost\r\nAccept: text/event-stream\r\n\r\n")
        door.send_event.put(b"data: 0\n\n")
        head = read_head(connection)
        assert re.search(rb"(?i)\r\ncontent-type: text/event-stream\r\n", head)
        received = b""
        for number in range(20):
            if number:
                door.send_event.put(b"data: %d\n\n" % number)
            while not received.endswith(b"data: %d\n\n\r\n" % number):
                piece = connection.recv(4096)
                assert piece
                received += piece
        door.send_event.put(b"")
        while not received.endswith(b"\r\n0\r\n\r\n"):
            received += connection.recv(4096)
