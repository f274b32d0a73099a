"""Listening with a PROXY header before everything else, in clear and with TLS."""

from __future__ import annotations

import errno
import socket
import struct
from typing import Any

import pytest
from pytest_twisted import ensureDeferred
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.threads import deferToThread
from twisted.logger import LogEvent, globalLogPublisher

from pomerium_tw.transport import listening
from pomerium_tw.transport.eager import EagerServer
from pomerium_tw.transport.listening import ANNOUNCE_SECONDS, NO_DESCRIPTOR, NO_HEADER, AnnouncedPort, listen

from .pairs import Recorder, Timed, factory_of, other_client, reactor, serving, turns, until

LINE = b"PROXY TCP4 192.0.2.7 198.51.100.1 4711 443\r\n"
SIX = b"PROXY TCP6 2001:db8::7 2001:db8::1 4711 443\r\n"
UNKNOWN = b"PROXY UNKNOWN\r\n"
LOCAL = b"\r\n\r\n\0\r\nQUIT\n\x20\x00\0\0"
BINARY = b"\r\n\r\n\0\r\nQUIT\n\x21\x11" + struct.pack("!H", 12) + b"\xc0\0\2\7\xc6\x33\x64\1\x12\x67\1\xbb"


def dial(port: Any, data: bytes = b"") -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port.getHost().port), timeout=10)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, True)
    connection.sendall(data)
    return connection


def peer_of(protocol: Recorder) -> Any:
    transport: Any = protocol.transport
    return transport.getPeer()


@pytest.mark.parametrize("encrypted", [True, False])
@pytest.mark.parametrize("header", [LINE, SIX, BINARY, UNKNOWN, LOCAL])
@ensureDeferred
async def test_the_announced_client_is_the_peer(header: bytes, encrypted: bool) -> None:
    async with serving(server := Recorder(), tls=None if encrypted else False, proxy_protocol=True) as port:

        def talk() -> tuple[str, int]:
            plain = dial(port, header)
            name: tuple[str, int] = plain.getsockname()
            with other_client().wrap_socket(plain) if encrypted else plain as connection:
                connection.sendall(b"hello")
                connection.recv(1)
            return name

        talking = deferToThread(talk)
        await until(lambda: server.data)
        peer = peer_of(server)
        transport: Any = server.transport
        assert transport.getHost().port == port.getHost().port
        transport.write(b"x")
        name = await talking
        assert bytes(server.data) == b"hello"
        own = IPv4Address("TCP", *name)
        announced = {LINE: ("192.0.2.7", 4711), BINARY: ("192.0.2.7", 4711)}.get(header)
        expected = IPv6Address("TCP", "2001:db8::7", 4711) if header == SIX else own
        assert peer == (IPv4Address("TCP", *announced) if announced else expected)
        assert port._factory.asked == [peer]


@ensureDeferred
async def test_a_header_in_single_bytes_is_read_without_keeping_a_turn_busy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reads: list[int] = []
    read_header = listening.read_header

    def counted(data: bytes) -> Any:
        reads.append(len(data))
        return read_header(data)

    monkeypatch.setattr(listening, "read_header", counted)
    async with serving(server := Recorder(), tls=False, proxy_protocol=True) as port:
        connection = dial(port)
        for byte in LINE + b"hello":
            connection.sendall(bytes([byte]))
            await turns(3)
        await until(lambda: bytes(server.data) == b"hello")
        assert reads == list(range(1, len(LINE) + 1))
        connection.close()


@ensureDeferred
async def test_a_header_and_what_follows_may_come_in_one_piece() -> None:
    async with serving(server := Recorder(), tls=False, proxy_protocol=True) as port:
        connection = dial(port, BINARY + b"GET / HTTP/1.1\r\n\r\n")
        await until(lambda: server.data)
        assert bytes(server.data) == b"GET / HTTP/1.1\r\n\r\n"
        connection.close()


@pytest.mark.parametrize("said", [b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02", b"PROXY TCP4 nonsense\r\n"])
@ensureDeferred
async def test_whoever_sends_no_header_is_closed_and_nobody_hears_of_it(said: bytes) -> None:
    async with serving(Recorder(), tls=False, proxy_protocol=True) as port:
        connection = dial(port, said)
        connection.setblocking(False)

        def closed() -> bool:
            try:
                return connection.recv(1) == b""
            except BlockingIOError:
                return False
            except ConnectionResetError:
                return True

        await until(closed)
        assert port._factory.asked == []
        connection.close()


@ensureDeferred
async def test_a_header_that_does_not_come_is_not_waited_for() -> None:
    timed = Timed()
    port: Any = listen(timed, 0, factory_of(), 50, "127.0.0.1", proxy_protocol=True)
    connections = [dial(port), dial(port, LINE[:20])]
    await until(lambda: len(port._unannounced) == 2)
    timed.clock.advance(ANNOUNCE_SECONDS - 0.1)
    assert len(port._unannounced) == 2
    timed.clock.advance(0.2)
    assert not port._unannounced
    for each in connections:
        try:
            assert each.recv(1) == b""
        except ConnectionResetError:
            pass
        each.close()
    stopped = port.stopListening()
    timed.clock.advance(0)
    await stopped


@ensureDeferred
async def test_those_without_a_header_are_counted_and_leave_with_the_port(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(listening, "MAX_UNANNOUNCED", 2)
    refused: list[tuple[str, str]] = []
    told = lambda *of: refused.append(of)  # noqa: E731
    async with serving(tls=False, proxy_protocol=True, not_accepted=told) as port:
        waiting = [dial(port), dial(port)]
        await until(lambda: len(port._unannounced) == 2)
        third = dial(port)
        assert await deferToThread(third.recv, 1) == b""
        assert len(port._unannounced) == 2
        assert refused == [("127.0.0.1", NO_HEADER)]
    assert not port._unannounced
    assert not [call for call in reactor.getDelayedCalls() if "_too_late" in repr(call)]
    for each in (*waiting, third):
        each.close()


@ensureDeferred
async def test_a_factory_that_wants_nobody_has_the_connection_closed() -> None:
    async with serving(tls=False, proxy_protocol=True) as port:
        connection = dial(port, LINE)
        assert await deferToThread(connection.recv, 1) == b""
        connection.close()


@ensureDeferred
async def test_in_clear_writes_are_as_eager_as_without_a_header() -> None:
    async with serving(server := Recorder(), tls=False, proxy_protocol=True) as port:
        assert isinstance(port, AnnouncedPort)
        connection = dial(port, LINE)
        await until(lambda: server.made)
        assert isinstance(server.transport, EagerServer)
        connection.close()
        await until(lambda: server.lost)


class Exhausted:
    """A listening socket whose process or system has run out of something."""

    def __init__(self, sock: socket.socket, number: int) -> None:
        self._sock = sock
        self._number = number
        self.fails = True

    def accept(self) -> Any:
        if self.fails:
            self.fails = False
            raise OSError(self._number, "none left")
        return self._sock.accept()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)


@pytest.mark.parametrize("how", [{"tls": False}, {}, {"tls": False, "proxy_protocol": True}])
@pytest.mark.parametrize(
    ("number", "told"),
    [
        (errno.EMFILE, [("127.0.0.1", NO_DESCRIPTOR)]),
        (errno.ENFILE, [("", NO_DESCRIPTOR)]),
        (errno.ECONNABORTED, []),
    ],
)
@ensureDeferred
async def test_who_cannot_be_accepted_is_counted_and_logs_nothing_of_itself(
    how: dict[str, Any], number: int, told: list[tuple[str, str]]
) -> None:
    logged: list[LogEvent] = []
    refused: list[tuple[str, str]] = []
    async with serving(not_accepted=lambda *of: refused.append(of), **how) as port:
        globalLogPublisher.addObserver(logged.append)
        exhausted = port.socket = Exhausted(port.socket, number)
        connection = dial(port)
        await until(lambda: not exhausted.fails)
        globalLogPublisher.removeObserver(logged.append)
        connection.close()
        port.socket = exhausted._sock
    assert refused == told
    assert not logged
