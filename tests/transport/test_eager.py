"""Eager writes on the lean reactor's transports: same bytes, same order, same manners."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trustme
from pytest_twisted import ensureDeferred
from twisted.internet import reactor as installed
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.ssl import PrivateCertificate
from twisted.internet.task import deferLater
from twisted.python.failure import Failure

from pomerium_tw.transport.eager import (
    LONG_READ,
    SHORT_READ,
    EagerConnector,
    EagerPort,
    EagerServer,
    limit_next_read,
)
from pomerium_tw.transport.gathering import FULL, HELD, MOST_PIECES, ROOM

from .pairs import Push

reactor: Any = installed
SMALL = 4096


class Recorder(Protocol):
    """Keeps what arrives."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.gone = False
        self.made: Deferred[None] = Deferred()

    def connectionMade(self) -> None:
        self.made.callback(None)

    def dataReceived(self, data: bytes) -> None:
        self.data += data

    def connectionLost(self, reason: Failure | None = None) -> None:
        self.gone = True

    async def ended(self) -> None:
        until = reactor.seconds() + 10
        while not self.gone:
            assert reactor.seconds() < until, f"the connection did not end after {len(self.data)} bytes"
            await turn()


class Pair:
    """An eager server connection with tiny buffers, and its eager client."""

    def __init__(self) -> None:
        self.server, self.client = Recorder(), Recorder()
        self.ends = iter([self.server])
        self.port = EagerPort(0, self._factory(self.server), interface="127.0.0.1", reactor=reactor)

    def _factory(self, protocol: Recorder) -> Any:
        factory: Any = Factory()
        factory.noisy = False
        factory.buildProtocol = lambda _address: protocol
        factory.doStart = factory.doStop = lambda: None
        factory.startedConnecting = lambda _connector: None
        factory.clientConnectionLost = factory.clientConnectionFailed = lambda _connector, _reason: None
        return factory

    async def connect(self) -> None:
        self.port.startListening()
        host = self.port.getHost()
        EagerConnector(host.host, host.port, self._factory(self.client), 10, None, reactor).connect()
        await self.server.made
        await self.client.made
        self.sender.getHandle().setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SMALL)

    @property
    def sender(self) -> Any:
        return self.server.transport

    @property
    def receiver(self) -> Any:
        return self.client.transport

    async def close(self) -> None:
        for end in (self.sender, self.receiver):
            end.abortConnection()
        while not (self.server.gone and self.client.gone):
            await turn()
        await maybeDeferred(self.port.stopListening)


@asynccontextmanager
async def connected() -> AsyncIterator[Pair]:
    pair = Pair()
    await pair.connect()
    try:
        yield pair
    finally:
        await pair.close()


def numbered(count: int, size: int = 1000) -> list[bytes]:
    return [b"%08d" % number * (size // 8) for number in range(count)]


async def turn() -> None:
    """One turn of the reactor."""
    await deferLater(reactor, 0, lambda: None)


@ensureDeferred
async def test_writes_of_one_turn_leave_together_at_its_end() -> None:
    async with connected() as pair:
        pair.receiver.stopReading()
        pair.sender.write(b"to")
        pair.sender.writeSequence([b"ge", b"th"])
        pair.sender.write(b"er")
        with pytest.raises(BlockingIOError):
            pair.receiver.getHandle().recv(10)
        assert reactor.unsent == [pair.sender]
        pair.sender.flush()
        assert pair.receiver.getHandle().recv(10) == b"together"
        assert pair.sender not in reactor.getWriters()
        pair.receiver.startReading()


@ensureDeferred
async def test_who_writes_much_in_one_turn_does_not_wait_for_its_end() -> None:
    async with connected() as pair:
        pair.receiver.stopReading()
        for _ in range(MOST_PIECES):
            pair.sender.write(b"x")
        assert pair.receiver.getHandle().recv(100) == b"x" * MOST_PIECES
        pair.receiver.startReading()


@ensureDeferred
async def test_order_is_kept_when_the_socket_takes_a_part_only() -> None:
    async with connected() as pair:
        pieces = numbered(2000)
        pair.receiver.pauseProducing()
        for index, piece in enumerate(pieces):
            if index % 3:
                pair.sender.write(piece)
            else:
                pair.sender.writeSequence([piece[:7], piece[7:]])
        assert pair.sender in reactor.getWriters(), "the socket was full"
        pair.receiver.resumeProducing()
        pair.sender.write(b"last")
        pair.sender.loseConnection()
        await pair.client.ended()
        assert bytes(pair.client.data) == b"".join(pieces) + b"last"


@ensureDeferred
async def test_closing_sends_what_waits_first() -> None:
    async with connected() as pair:
        pair.receiver.pauseProducing()
        big = b"x" * 1_000_000
        pair.sender.write(big)
        pair.sender.loseConnection()
        pair.sender.write(b"too late?")
        pair.receiver.resumeProducing()
        await pair.client.ended()
        assert bytes(pair.client.data).startswith(big)


@ensureDeferred
async def test_a_streaming_producer_is_paused_when_the_peer_does_not_read_and_resumed_when_it_does() -> None:
    async with connected() as pair:
        pair.receiver.pauseProducing()
        producer = Push()
        pair.sender.registerProducer(producer, True)
        written = 0
        while not producer.calls:
            pair.sender.write(b"y" * 10_000)
            written += 10_000
            assert written < 50_000_000, "never paused"
        assert producer.calls == ["pause"]
        pair.receiver.resumeProducing()
        while len(pair.client.data) < written:
            await turn()
        assert producer.calls == ["pause", "resume"]
        pair.sender.unregisterProducer()


@ensureDeferred
async def test_one_write_that_the_socket_does_not_take_pauses_its_producer() -> None:
    """The next one may be long in coming, and must not come on top."""
    async with connected() as pair:
        pair.receiver.pauseProducing()
        producer = Push()
        pair.sender.registerProducer(producer, True)
        big = b"z" * 10_000_000
        pair.sender.write(big)
        await turn()
        assert producer.calls == ["pause"]
        pair.receiver.resumeProducing()
        while producer.calls != ["pause", "resume"]:
            await turn()
        while len(pair.client.data) < len(big):
            await turn()
        assert pair.client.data == big
        pair.sender.unregisterProducer()


class Pull:
    """A producer that is asked for each piece."""

    def __init__(self, transport: Any, pieces: list[bytes]) -> None:
        self.transport = transport
        self.pieces = pieces

    def resumeProducing(self) -> None:
        if self.pieces:
            self.transport.write(self.pieces.pop(0))
        else:
            self.transport.unregisterProducer()

    def stopProducing(self) -> None:
        self.pieces = []


@ensureDeferred
async def test_a_pull_producer_is_asked_until_it_has_no_more() -> None:
    async with connected() as pair:
        pieces = numbered(50)
        whole = b"".join(pieces)
        pair.sender.registerProducer(Pull(pair.sender, pieces), False)
        for _ in range(1000):
            if len(pair.client.data) == len(whole):
                break
            await turn()
        assert bytes(pair.client.data) == whole


@ensureDeferred
async def test_after_starttls_nothing_is_written_in_clear() -> None:
    async with connected() as pair:
        leaf = trustme.CA().issue_cert("x.example").private_key_and_cert_chain_pem.bytes()
        pair.receiver.stopReading()
        pair.sender.startTLS(PrivateCertificate.loadPEM(leaf).options())
        pair.sender.write(b"a secret")
        await turn()
        pair.receiver.getHandle().setblocking(False)
        try:
            assert b"a secret" not in pair.receiver.getHandle().recv(65536)
        except BlockingIOError:
            pass
        pair.receiver.startReading()


@ensureDeferred
async def test_a_connector_forgets_its_connection_when_it_is_lost() -> None:
    async with connected() as pair:
        connector = pair.receiver.connector
        assert connector.transport is pair.receiver
    assert connector.transport is None, "else both are kept until the garbage collector comes by"


@ensureDeferred
async def test_writing_to_a_lost_peer_raises_nothing() -> None:
    async with connected() as pair:
        pair.receiver.getHandle().shutdown(socket.SHUT_RDWR)
        pair.sender.getHandle().shutdown(socket.SHUT_RDWR)
        for _ in range(5):
            pair.sender.write(b"x" * 100_000)
        await pair.server.ended()
        pair.sender.write(b"after the end")


@ensureDeferred
async def test_what_was_not_sent_goes_with_the_connection_though_somebody_still_knows_it() -> None:
    before = HELD.size
    async with connected() as pair:
        sender = pair.sender
        pair.receiver.pauseProducing()
        sender.write(b"x" * 4_000_000)
        await turn()
        sender.write(b"y" * 1_000_000)
        await turn()
        assert HELD.size - before == 5_000_000
        sender.write(b"z")
        sender.abortConnection()
        await pair.server.ended()
        assert (sender.dataBuffer, sender._tempDataBuffer, sender._tempDataLen) == (b"", [], 0)
        assert sender._pending is None
        assert HELD.size == before
        pair.receiver.resumeProducing()


@ensureDeferred
async def test_what_was_sent_is_held_no_more() -> None:
    before = HELD.size
    async with connected() as pair:
        pair.receiver.pauseProducing()
        pair.sender.write(b"x" * 1_000_000)
        await turn()
        assert HELD.size - before == 1_000_000, "a piece is kept as a whole"
        pair.receiver.resumeProducing()
        while len(pair.client.data) < 1_000_000:
            await turn()
        await turn()
        assert HELD.size == before


class Full:
    """A socket of which every read takes all that is asked for."""

    def __init__(self) -> None:
        self.asked: list[int] = []
        self.gives = LONG_READ

    def recv(self, size: int) -> bytes:
        self.asked.append(size)
        return bytes(min(size, self.gives))


class Reading(EagerServer):
    def __init__(self) -> None:
        self.socket = Full()  # type: ignore[assignment]
        self.protocol = Recorder()


def test_reads_grow_step_by_step_while_they_are_full() -> None:
    transport: Any = Reading()
    for _ in range(7):
        transport.doRead()
    assert transport.socket.asked == [SHORT_READ * factor for factor in (1, 2, 4, 8, 16, 16, 16)]
    transport.socket.gives = SHORT_READ - 1
    transport.doRead()
    transport.doRead()
    assert transport.socket.asked[-2:] == [LONG_READ, SHORT_READ]


def test_reads_do_not_grow_while_what_comes_is_mostly_framing() -> None:
    transport: Any = Reading()
    for _ in range(3):
        transport.doRead()
        limit_next_read(transport)
    assert transport.socket.asked == [SHORT_READ] * 3
    limit_next_read(object())  # another reactor's


def test_reads_are_short_while_too_much_waits_to_be_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    transport: Any = Reading()
    for _ in range(6):
        transport.doRead()
    monkeypatch.setattr(HELD, "size", ROOM + 1)
    for _ in range(3):
        transport.doRead()
    assert transport.socket.asked[-4:] == [LONG_READ, SHORT_READ, SHORT_READ, SHORT_READ]
    monkeypatch.setattr(HELD, "size", ROOM)
    transport.doRead()
    transport.doRead()
    assert transport.socket.asked[-2:] == [2 * SHORT_READ, 4 * SHORT_READ]


@pytest.mark.parametrize("ends", [True, False])
@ensureDeferred
async def test_what_lies_unread_is_read_when_asked_for(*, ends: bool) -> None:
    async with connected() as pair:
        pair.receiver.catch_up()
        assert (bytes(pair.client.data), pair.client.gone) == (b"", False)
        pair.sender.getHandle().send(b"unread")
        if ends:
            pair.sender.getHandle().shutdown(socket.SHUT_RDWR)
        pair.receiver.catch_up()
        assert bytes(pair.client.data) == b"unread"
        pair.receiver.catch_up()
        assert pair.client.gone is ends


@ensureDeferred
async def test_a_producer_is_paused_when_more_than_its_share_waits() -> None:
    async with connected() as pair:
        pair.receiver.pauseProducing()
        while pair.sender not in reactor.getWriters():
            pair.sender.write(b"x" * 1000)
            await turn()
        producer = Push()
        pair.sender.registerProducer(producer, True)
        pair.sender.write(b"y" * FULL)
        await turn()
        assert producer.calls == ["pause"]
        pair.sender.unregisterProducer()
        pair.receiver.resumeProducing()
