"""TLS on the socket: the manners of a Twisted transport, both ends ours or one another's."""

from __future__ import annotations

import socket
import ssl
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from select import select
from typing import Any

import pytest
from OpenSSL import SSL
from pytest_twisted import ensureDeferred
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.interfaces import IHalfCloseableProtocol, IHandshakeListener, ISSLTransport
from twisted.internet.threads import deferToThread
from twisted.python.failure import Failure
from zope.interface import implementer

from pomerium_tw.transport import limit_next_read, tls_socket
from pomerium_tw.transport.eager import LONG_READ
from pomerium_tw.transport.gathering import HELD, MOST_PIECES, ROOM
from pomerium_tw.transport.lean import MOST_HANDSHAKES
from pomerium_tw.transport.tls_connection import PIECE, RECORD

from .key_updates import Updating
from .pairs import Push, Recorder, other_client, pair, reactor, serving, turns, until

BIG = bytes(range(256)) * 8000


def shake(port: Any, context: ssl.SSLContext | None = None) -> ssl.SSLSocket:
    """A handshake by the standard library, in a thread."""
    plain = socket.create_connection(("127.0.0.1", port.getHost().port), timeout=10)
    return (context or other_client()).wrap_socket(plain, server_hostname="localhost")


@ensureDeferred
async def test_both_ends_hear_each_other() -> None:
    async with pair() as both:
        both.receiver.write(b"to the server")
        both.sender.write(b"to the client")
        await until(lambda: both.server.data and both.client.data)
        assert (bytes(both.server.data), bytes(both.client.data)) == (b"to the server", b"to the client")


@ensureDeferred
async def test_nothing_is_on_the_wire_in_clear() -> None:
    async with serving(server := Recorder()) as port:
        plain = socket.create_connection(("127.0.0.1", port.getHost().port))
        await until(lambda: server.made)
        transport: Any = server.transport
        transport.write(b"a secret")
        transport.loseWriteConnection()
        await turns(10)
        assert transport not in reactor.getWriters(), (
            "it is the peer's turn, and no turn of ours is kept busy"
        )
        plain.setblocking(False)
        with pytest.raises(BlockingIOError):
            plain.recv(100)
        plain.close()


@ensureDeferred
async def test_what_is_written_before_the_handshake_is_sent_after_it_and_then_it_closes() -> None:
    class Greeter(Recorder):
        def connectionMade(self) -> None:
            super().connectionMade()
            transport: Any = self.transport
            transport.write(b"hello ")
            transport.writeSequence([b"and ", b"goodbye"])
            transport.loseConnection()

    async with serving(server := Greeter()) as port:

        def listening() -> bytes:
            with shake(port) as client:
                said = b"".join(iter(lambda: client.recv(100), b""))
                client.unwrap()
                return said

        assert await deferToThread(listening) == b"hello and goodbye"
        await until(lambda: server.lost)
        assert server.done


@ensureDeferred
async def test_order_is_kept_when_the_socket_takes_a_part_only() -> None:
    async with pair() as both:
        pieces = [b"%08d" % number * 125 for number in range(4000)]
        both.receiver.pauseProducing()
        for index, piece in enumerate(pieces):
            if index % 3:
                both.sender.write(piece)
            else:
                both.sender.writeSequence([piece[:7], piece[7:]])
            if not index % 100:
                await turns(1)
        assert both.sender in reactor.getWriters(), "the socket was never full"
        both.receiver.resumeProducing()
        both.sender.write(b"last")
        both.sender.loseConnection()
        await until(lambda: both.client.lost)
        assert bytes(both.client.data) == b"".join(pieces) + b"last"
        assert both.client.done
        await until(lambda: both.server.lost)
        assert both.server.done


@ensureDeferred
async def test_large_bodies_are_read_in_large_pieces() -> None:
    async with pair() as both:
        both.sender.getHandle().setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 * 1024 * 1024)
        both.receiver.pauseProducing()
        both.sender.write(BIG)
        await turns(3)
        both.receiver.resumeProducing()
        await until(lambda: len(both.client.data) == len(BIG))
        assert bytes(both.client.data) == BIG
        assert both.client.pieces < len(BIG) / LONG_READ * 4


@ensureDeferred
async def test_one_record_is_read_at_once_of_what_takes_long_to_understand() -> None:
    async with pair() as both:
        sizes, receive = [], both.client.dataReceived

        def slowly(data: bytes) -> None:
            sizes.append(len(data))
            receive(data)
            limit_next_read(both.receiver)

        both.client.dataReceived = slowly  # type: ignore[method-assign]
        both.sender.getHandle().setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 * 1024 * 1024)
        both.receiver.pauseProducing()
        limit_next_read(both.receiver)
        both.sender.write(BIG)
        await turns(3)
        both.receiver.resumeProducing()
        await until(lambda: len(both.client.data) == len(BIG))
        assert max(sizes) <= RECORD


@pytest.mark.parametrize("size", [1, RECORD - 1, RECORD, RECORD + 1, 3 * RECORD])
@ensureDeferred
async def test_nothing_stays_behind_in_openssl(size: int) -> None:
    """A message that ends with a record, or within one, is handed on without waiting for another."""
    async with pair() as both:
        both.sender.write(b"x" * size)
        await until(lambda: len(both.client.data) == size)
        assert bytes(both.client.data) == b"x" * size
        assert both.receiver._tls.pending() == 0


@ensureDeferred
async def test_a_streaming_producer_is_paused_while_the_peer_does_not_read() -> None:
    async with pair() as both:
        both.receiver.pauseProducing()
        producer = Push()
        both.sender.registerProducer(producer, True)
        written = 0
        while not producer.calls:
            both.sender.write(b"y" * 10_000)
            written += 10_000
            assert written < 50_000_000, "never paused"
            await turns(1)
        assert producer.calls == ["pause"]
        both.receiver.resumeProducing()
        await until(lambda: len(both.client.data) == written)
        assert producer.calls == ["pause", "resume"]
        both.sender.unregisterProducer()


@ensureDeferred
async def test_a_pull_producer_is_asked_until_it_has_no_more() -> None:
    class Pull:
        def __init__(self, transport: Any) -> None:
            self.transport = transport
            self.left = 50

        def resumeProducing(self) -> None:
            self.left -= 1
            if self.left < 0:
                self.transport.unregisterProducer()
            else:
                self.transport.write(b"z" * 1000)

        def stopProducing(self) -> None:
            self.left = 0

    async with pair() as both:
        both.sender.registerProducer(Pull(both.sender), False)
        await until(lambda: len(both.client.data) == 50_000)


@ensureDeferred
async def test_a_connection_that_ends_without_close_notify_is_lost() -> None:
    """Somebody on the way could have cut the answer short."""
    async with pair() as both:
        both.sender.write(b"half of an answer")
        await until(lambda: both.client.data)
        both.sender.getHandle().shutdown(socket.SHUT_WR)
        await until(lambda: both.client.lost)
        assert both.client.lost.check(ConnectionLost)


@ensureDeferred
async def test_aborting_is_no_clean_end_for_the_other_side_and_no_data_comes_after_it() -> None:
    class Aborting(Recorder):
        def dataReceived(self, data: bytes) -> None:
            super().dataReceived(data)
            transport: Any = self.transport
            transport.abortConnection()

    async with pair(client=Aborting()) as both:
        both.sender.write(BIG)
        await until(lambda: both.client.lost and both.server.lost)
        assert both.client.pieces == 1
        assert not both.client.done
        assert not both.server.done


@ensureDeferred
async def test_nothing_is_sent_after_aborting() -> None:
    async with pair() as both:
        script = both.sender._tls = Scripted(both.sender._tls)
        both.sender.write(b"never")
        both.sender.abortConnection()
        both.sender.write(b"ever")
        await until(lambda: both.client.lost)
        assert script.calls == 0
        assert bytes(both.client.data) == b""


@implementer(IHalfCloseableProtocol)
class HalfCloseable(Recorder):
    def __init__(self) -> None:
        super().__init__()
        self.halves: list[str] = []

    def readConnectionLost(self) -> None:
        self.halves.append("read")

    def writeConnectionLost(self) -> None:
        self.halves.append("write")


@ensureDeferred
async def test_who_has_said_everything_still_hears_the_answer() -> None:
    """Half-close (RFC 8446 §6.1)."""
    async with pair(server=HalfCloseable(), client=HalfCloseable()) as both:
        both.receiver.write(b"a question")
        both.receiver.loseWriteConnection()
        await until(lambda: both.server.halves)
        assert (bytes(both.server.data), both.server.halves) == (b"a question", ["read"])
        assert both.client.halves == ["write"]
        both.sender.write(b"the answer")
        both.sender.loseConnection()
        await until(lambda: both.client.halves == ["write", "read"])
        assert bytes(both.client.data) == b"the answer"
        both.receiver.loseConnection()
        await until(lambda: both.client.lost)


@ensureDeferred
async def test_a_half_close_waits_for_room_in_the_socket() -> None:
    async with pair(client=HalfCloseable()) as both:
        both.receiver.pauseProducing()
        both.sender.write(BIG)
        both.sender.loseWriteConnection()
        await turns(5)
        both.receiver.resumeProducing()
        await until(lambda: both.client.halves)
        assert bytes(both.client.data) == BIG
        both.receiver.write(b"still heard")
        await until(lambda: both.server.data)


@ensureDeferred
async def test_the_end_of_the_handshake_is_told_to_who_wants_to_know() -> None:
    @implementer(IHandshakeListener)
    class Listening(Recorder):
        version = ""

        def handshakeCompleted(self) -> None:
            transport: Any = self.transport
            self.version = transport._tls.get_protocol_version_name()

    async with pair(server=Listening(), client=Listening()) as both:
        assert (both.server.version, both.client.version) == ("TLSv1.3", "TLSv1.3")


@ensureDeferred
async def test_certificate_and_protocol_can_be_asked_for_until_the_very_end() -> None:
    class Asking(Recorder):
        known: Any = None

        def connectionLost(self, reason: Failure | None = None) -> None:
            transport: Any = self.transport
            self.known = transport.getPeerCertificate(), transport.negotiatedProtocol
            super().connectionLost(reason)

    async with pair(client=Asking()) as both:
        assert ISSLTransport.providedBy(both.sender)
        assert ISSLTransport.providedBy(both.receiver)
        assert both.sender.getPeerCertificate() is None
        assert both.receiver.getPeer().port == both.sender.getHost().port
        both.sender.loseConnection()
        await until(lambda: both.client.lost)
        certificate, protocol = both.client.known
        assert certificate.to_cryptography().serial_number
        assert protocol is None


@pytest.mark.parametrize(
    "said", [b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"\x16\x03\x01\x00\x05hello", b"\0" * 50]
)
@ensureDeferred
async def test_what_is_not_tls_ends_the_connection_and_reaches_no_protocol(said: bytes) -> None:
    async with serving(server := Recorder()) as port:
        plain = socket.create_connection(("127.0.0.1", port.getHost().port))
        plain.sendall(said)
        await until(lambda: server.lost)
        assert bytes(server.data) == b""
        assert server.lost is not None
        assert server.lost.check(SSL.Error)
        plain.close()


@ensureDeferred
async def test_hanging_up_within_the_handshake_is_a_lost_connection() -> None:
    async with serving(server := Recorder()) as port:
        plain = socket.create_connection(("127.0.0.1", port.getHost().port))
        plain.sendall(b"\x16\x03\x01")
        plain.close()
        await until(lambda: server.lost)
        assert server.lost is not None
        assert server.lost.check(ConnectionLost)


@pytest.mark.parametrize("bytes_sent", [0, 1, 5])
@ensureDeferred
async def test_before_the_handshake_is_over_closing_is_immediate(bytes_sent: int) -> None:
    async with serving(server := Recorder()) as port:
        plain = socket.create_connection(("127.0.0.1", port.getHost().port))
        plain.sendall((b"\x16\x03\x01\x02\x00" + bytes(100))[:bytes_sent])
        await until(lambda: server.made)
        await turns(5)
        transport: Any = server.transport
        transport.loseConnection()
        await turns(3)
        assert server.lost, "nobody is waited for"
        plain.close()


@ensureDeferred
async def test_a_handshake_in_single_bytes_succeeds_and_keeps_no_turn_busy() -> None:
    async with serving(server := Recorder()) as port:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        client = other_client().wrap_bio(incoming, outgoing, server_hostname="localhost")
        plain = socket.create_connection(("127.0.0.1", port.getHost().port))
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, True)
        plain.setblocking(False)
        done = False
        while not done:
            try:
                client.do_handshake()
                done = True
            except ssl.SSLWantReadError:
                pass
            for byte in outgoing.read():
                plain.sendall(bytes([byte]))
                await turns(1)
                assert server.transport not in reactor.getWriters()
            try:
                incoming.write(plain.recv(65536))
            except BlockingIOError:
                await turns(1)
        client.write(b"x")
        plain.sendall(outgoing.read())
        await until(lambda: server.data)
        plain.close()


class Scripted:
    """In the place of OpenSSL, for what no well-behaved peer makes it do."""

    def __init__(self, real: SSL.Connection) -> None:
        self.real = real
        self.recv_raises: list[Exception] = []
        self.send_raises: list[Exception] = []
        self.calls = 0

    def recv(self, size: int) -> bytes:
        self.calls += 1
        if self.recv_raises:
            raise self.recv_raises.pop()
        return self.real.recv(size)

    def send(self, data: bytes) -> int:
        self.calls += 1
        if self.send_raises:
            raise self.send_raises.pop()
        return self.real.send(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)


@ensureDeferred
async def test_a_write_that_needs_a_read_first_waits_for_the_peer_and_not_for_the_socket() -> None:
    """Half of a key update would otherwise keep a processor busy (RFC 8446 §4.6.3)."""
    async with pair() as both:
        script = both.sender._tls = Scripted(both.sender._tls)
        script.send_raises = [SSL.WantReadError(), SSL.WantReadError()]
        both.sender.write(b"later")
        await turns(20)
        assert both.sender not in reactor.getWriters()
        assert script.calls <= 3
        both.receiver.write(b"go on")
        await until(lambda: both.client.data)
        assert (bytes(both.client.data), bytes(both.server.data)) == (b"later", b"go on")


@pytest.mark.parametrize("size", [PIECE, PIECE + 1, RECORD])
@ensureDeferred
async def test_whatever_the_size_of_the_piece_that_met_a_full_socket_it_arrives(size: int) -> None:
    async with pair() as both:
        both.receiver.pauseProducing()
        written = bytearray()

        async def write_on(byte: int) -> None:
            written.extend(bytes([byte]) * size)
            both.sender.write(bytes([byte]) * size)
            await turns(1)

        while both.sender not in reactor.getWriters():
            await write_on(len(written) % 251)
        for byte in b"more":
            await write_on(byte)
        both.receiver.resumeProducing()
        await until(lambda: len(both.client.data) == len(written) or both.client.lost)
        assert both.client.data == written


@ensureDeferred
async def test_a_read_that_needs_a_write_first_waits_for_the_socket_and_not_for_the_peer() -> None:
    """Key updates of a peer that reads nothing would otherwise keep a processor busy."""
    async with pair() as both:
        script = both.sender._tls = Scripted(both.sender._tls)
        script.recv_raises = [SSL.WantWriteError()]
        both.receiver.write(b"hello")
        await until(lambda: both.server.data)
        assert script.calls <= 4
        assert both.sender in reactor.getReaders()


@ensureDeferred
async def test_a_paused_reader_stays_paused_after_such_a_write() -> None:
    async with pair() as both:
        script = both.sender._tls = Scripted(both.sender._tls)
        script.recv_raises = [SSL.WantWriteError()]
        assert both.sender.doRead() is None
        both.sender.pauseProducing()
        both.receiver.write(b"hello")
        await turns(20)
        assert bytes(both.server.data) == b""
        both.sender.resumeProducing()
        await until(lambda: both.server.data)


@ensureDeferred
async def test_a_broken_peer_is_noticed_by_the_reactor_and_never_inside_a_write() -> None:
    async with pair() as both:
        both.sender.getHandle().shutdown(socket.SHUT_RDWR)
        for _ in range(3 * MOST_PIECES):
            both.sender.write(b"x" * 100_000)
            assert not both.server.lost
        await until(lambda: both.server.lost)
        both.sender.write(b"after the end")
        both.sender.loseConnection()
        assert not both.sender.connected


@ensureDeferred
async def test_a_reactor_that_gathers_no_writes_will_do() -> None:
    """Only the lean reactor flushes at the end of its turn."""

    class Plain:
        def __getattr__(self, name: str) -> Any:
            if name == "unsent":
                raise AttributeError(name)
            return getattr(reactor, name)

    async with pair() as both:
        both.sender.write(b"behind the session tickets")
        await until(lambda: both.client.data)
        both.sender.reactor = Plain()
        both.receiver.stopReading()
        both.sender.setTcpNoDelay(True)
        both.sender.write(b"now")
        assert both.receiver._tls.recv(10) == b"now"
        both.receiver.startReading()


@pytest.mark.parametrize("options", [[], ["-tls1_2"], ["-tls1_3"], ["-alpn", "http/1.1"]])
@ensureDeferred
async def test_openssls_own_client(options: list[str]) -> None:
    class Echo(Recorder):
        def dataReceived(self, data: bytes) -> None:
            transport: Any = self.transport
            transport.write(data.upper())
            transport.loseConnection()

    async with serving(server := Echo()) as port:
        target = f"127.0.0.1:{port.getHost().port}"
        command = ["openssl", "s_client", "-quiet", "-ign_eof", "-connect", target, *options]
        done = await deferToThread(
            subprocess.run, command, input=b"hello\n", capture_output=True, timeout=10, check=False
        )
        assert b"HELLO\n" in done.stdout, done.stderr
        await until(lambda: server.lost)
        assert server.lost is not None
        assert server.lost.check(ConnectionDone)


@ensureDeferred
async def test_what_was_not_sent_goes_with_the_connection_though_somebody_still_knows_it() -> None:
    before = HELD.size
    async with pair() as both:
        sender = both.sender
        both.receiver.pauseProducing()
        sender.write(BIG)
        await turns(1)
        assert HELD.size - before == len(BIG)
        sender.abortConnection()
        await until(lambda: both.server.lost)
        assert (sender.dataBuffer, sender._tempDataBuffer, sender._tempDataLen) == (b"", [], 0)
        assert not hasattr(sender, "_tls")
        assert HELD.size == before
        both.receiver.resumeProducing()


@ensureDeferred
async def test_records_are_passed_on_one_by_one_while_too_much_waits_to_be_sent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with pair() as both:
        monkeypatch.setattr(HELD, "size", 2 * ROOM)
        both.receiver.write(BIG)
        await until(lambda: len(both.server.data) == len(BIG))
        assert both.server.pieces >= len(BIG) / RECORD


# -- what costs us much and others little


@asynccontextmanager
async def updating(server: Recorder) -> AsyncIterator[Updating]:
    async with serving(server) as port:
        client = Updating(port)
        with client.socket:
            await client.shake()
            await until(lambda: server.transport and server.transport._shaken)  # type: ignore[attr-defined]
            yield client


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> int:
    """Empty reads that are borne: fewer than the socket takes of key updates at once."""
    monkeypatch.setattr(tls_socket, "MOST_EMPTY_READS", 1000)
    return 1000


@ensureDeferred
async def test_a_record_that_comes_byte_by_byte_is_read() -> None:
    async with updating(server := Recorder()) as client:
        client.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in client.data(b"x" * RECORD):
            client.socket.sendall(bytes((byte,)))
            reactor.doPoll(0)
        await until(lambda: len(server.data) == RECORD)
        assert server.lost is None


@ensureDeferred
async def test_key_updates_take_no_turn_for_themselves_and_too_many_end_the_connection(few: int) -> None:
    """One connection could keep the process in a single read otherwise, before anybody has signed in."""
    async with updating(server := Recorder()) as client:
        script: Any = server.transport
        script._tls = Scripted(script._tls)
        client.socket.sendall(b"".join(client.update() for _ in range(few + 100)))
        reactor.doPoll(0)
        assert script._tls.calls == 1, "a record a turn"
        await until(lambda: server.lost)
        assert server.lost is not None
        assert server.lost.check(ConnectionLost)


@ensureDeferred
async def test_key_updates_among_data_harm_nobody(few: int) -> None:
    async with updating(server := Recorder()) as client:
        for count in range(1, 4):
            updates = [client.update() for _ in range(few // 2)]
            client.socket.sendall(b"".join([*updates, client.data(b"x")]))
            await until(lambda count=count: len(server.data) == count)  # type: ignore[misc]
        await turns(2)
        assert (bytes(server.data), server.lost) == (b"xxx", None)


@ensureDeferred
async def test_key_updates_do_not_come_through_while_we_write_without_being_read(few: int) -> None:
    async with updating(server := Recorder()) as client:
        transport: Any = server.transport
        transport.getHandle().setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        transport.write(BIG * 3)
        await turns(3)
        assert transport in reactor.getWriters(), "the socket was never full"
        client.socket.sendall(b"".join(client.update() for _ in range(few + 100)))
        await until(lambda: server.lost)


@ensureDeferred
async def test_a_turn_takes_few_handshakes_and_hears_all_who_are_past_theirs() -> None:
    crowd = [Recorder() for _ in range(3 * MOST_HANDSHAKES)]
    outgoing = ssl.MemoryBIO()
    with suppress(ssl.SSLWantReadError):
        other_client().wrap_bio(ssl.MemoryBIO(), outgoing).do_handshake()
    hello = outgoing.read()
    async with pair() as both, serving(*crowd) as port:
        address = ("127.0.0.1", port.getHost().port)
        callers = [socket.create_connection(address, timeout=10) for _ in crowd]
        await until(lambda: all(each.made for each in crowd))
        for each in callers:
            each.sendall(hello)
        both.receiver.write(b"hello")
        both.receiver.flush()

        def answered() -> int:
            return len(select(callers, [], [], 0)[0])

        reactor.doPoll(0)
        assert answered() == MOST_HANDSHAKES
        assert bytes(both.server.data) == b"hello"
        reactor.doPoll(0)
        assert answered() == 2 * MOST_HANDSHAKES
        await until(lambda: answered() == len(crowd))
        for each in callers:
            each.close()
