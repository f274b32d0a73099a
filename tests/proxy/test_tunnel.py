"""Two sides joined: first over pipes of memory, then over real sockets."""

from __future__ import annotations

import gc
import sys
from types import SimpleNamespace
from typing import Any

import pytest
from pytest_twisted import ensureDeferred
from twisted.internet import reactor
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import Clock
from twisted.protocols.tls import TLSMemoryBIOProtocol
from twisted.python.failure import Failure
from zope.interface import implementer

from pomerium_tw.model import Route
from pomerium_tw.proxy import Sweep, Timeouts
from pomerium_tw.proxy.tunnel import CLOSE_SECONDS, FLUSH_SECONDS, HALF_CLOSED_SECONDS, Tunnel, TunnelEnd
from tests.doors import SOON, Caller, Pipe, wait

HEAD = b"HTTP/1.1 101 Switching Protocols\r\n\r\n"
DONE = Failure(ConnectionDone())


class Joined:
    """A tunnel between two pipes, with a clock of the test's own."""

    def __init__(self, *, timeout: float = 0.0, idle: float = 0.0, stream: float = 0.0) -> None:
        self.clock = Clock()
        self.clock.advance(1000.0)
        self.sweep = Sweep(self.clock)
        self.sweep.start()
        self.ended: list[Tunnel] = []
        route = Route(id="r", name="r", host="a", port=None, timeout=timeout, idle_timeout=idle)
        self.exchange: Any = SimpleNamespace(
            plan=SimpleNamespace(route=route),
            generation=SimpleNamespace(timeouts=Timeouts(stream=stream)),
            started=1000.0,
            sent=0,
            details="via_upstream",
        )
        self.tunnel = Tunnel(self.exchange, self.sweep, self.clock.seconds, self.ended.append)
        self.client, self.upstream = Pipe(), Pipe()

    def open(self) -> Joined:
        self.tunnel.open(self.client, self.upstream, HEAD)
        assert self.client.take() == HEAD
        return self

    def pass_time(self, seconds: float) -> None:
        self.clock.pump([1.0] * int(seconds))


@pytest.fixture
def joined() -> Joined:
    return Joined().open()


def ends(joined: Joined) -> list[tuple[TunnelEnd, Pipe, TunnelEnd, Pipe]]:
    """Each side with its pipe, then the other."""
    tunnel = joined.tunnel
    both = [(tunnel.client, joined.client), (tunnel.upstream, joined.upstream)]
    return [(*both[0], *both[1]), (*both[1], *both[0])]


# -- bytes


def test_bytes_go_both_ways_and_those_for_the_client_are_counted(joined: Joined) -> None:
    joined.tunnel.client.data_received(b"up\x00\xff")
    joined.tunnel.upstream.data_received(b"down")
    joined.tunnel.upstream.data_received(b"!")
    assert joined.upstream.take() == b"up\x00\xff"
    assert joined.client.take() == b"down!"
    assert joined.exchange.sent == 5


def test_what_came_before_it_opened_follows_the_head() -> None:
    joined = Joined()
    joined.tunnel.client.data_received(b"ear")
    joined.tunnel.client.data_received(b"ly")
    joined.tunnel.upstream.data_received(b"surplus")
    joined.tunnel.open(joined.client, joined.upstream, HEAD)
    assert joined.client.take() == HEAD + b"surplus"
    assert joined.upstream.take() == b"early"
    assert joined.exchange.sent == 7


# -- back-pressure


def test_a_side_that_does_not_read_stops_the_other_and_only_that(joined: Joined) -> None:
    for _end, pipe, _other, slow in ends(joined):
        producer: Any = slow.producer
        producer.pauseProducing()
        assert (pipe.reading, slow.reading) == (False, True)
        producer.resumeProducing()
        assert (pipe.reading, slow.reading) == (True, True)


def test_a_side_that_has_finished_is_not_read_again(joined: Joined) -> None:
    """Reading a closed socket again reports its end again."""
    producer: Any = joined.client.producer
    producer.pauseProducing()
    joined.tunnel.upstream.read_closed()
    producer.resumeProducing()
    assert not joined.upstream.reading


# -- ends


def test_a_side_that_finishes_keeps_the_other_flowing() -> None:
    for side in (0, 1):
        joined = Joined().open()
        end, pipe, other, target = ends(joined)[side]
        end.read_closed()
        assert (target.lost, pipe.lost, target.producer) == ("half", "", None)
        other.data_received(b"still")
        assert pipe.take() == b"still"
        other.read_closed()
        assert (target.lost, pipe.lost) == ("half", "closed")
        assert not joined.ended
        end.connection_lost(DONE)
        other.connection_lost(DONE)
        assert joined.ended == [joined.tunnel]


def test_a_side_that_is_lost_ends_the_other_after_flushing(joined: Joined) -> None:
    joined.tunnel.upstream.data_received(b"last words")
    joined.tunnel.upstream.connection_lost(Failure(ConnectionLost()))
    assert (joined.client.take(), joined.client.lost, joined.client.producer) == (
        b"last words",
        "closed",
        None,
    )
    joined.tunnel.client.data_received(b"too late")
    assert joined.upstream.take() == b""
    assert not joined.ended
    joined.tunnel.client.connection_lost(DONE)
    assert joined.ended == [joined.tunnel]


def test_a_side_that_does_not_take_what_is_left_is_cut_off(joined: Joined) -> None:
    joined.tunnel.upstream.connection_lost(DONE)
    joined.pass_time(FLUSH_SECONDS - 1)
    assert joined.client.lost == "closed"
    joined.pass_time(1)
    assert joined.client.lost == "aborted"
    joined.tunnel.client.connection_lost(DONE)
    assert joined.ended == [joined.tunnel]
    joined.client.lost = ""
    joined.pass_time(FLUSH_SECONDS)
    assert joined.client.lost == ""


def test_both_lost_before_it_opened_is_an_end_like_any_other() -> None:
    joined = Joined()
    for end in (joined.tunnel.upstream, joined.tunnel.client):
        end.connection_lost(DONE)
    assert not joined.ended
    joined.tunnel.open(joined.client, joined.upstream, HEAD)
    assert joined.ended == [joined.tunnel]


@pytest.mark.parametrize("early", ["read_closed", "connection_lost"])
def test_an_upstream_that_ended_before_it_opened_is_heard_out(early: str) -> None:
    joined = Joined()
    joined.tunnel.upstream.data_received(b"bye")
    getattr(joined.tunnel.upstream, early)(*([DONE] if early == "connection_lost" else []))
    joined.tunnel.open(joined.client, joined.upstream, HEAD)
    assert joined.client.take() == HEAD + b"bye"
    assert joined.client.lost == ("half" if early == "read_closed" else "closed")


class StockTLS(Pipe, TLSMemoryBIOProtocol):
    """Twisted's own TLS, for all that the tunnel can see."""


def test_what_cannot_be_half_closed_ends_after_flushing() -> None:
    joined = Joined()
    joined.client = StockTLS()
    joined.open()
    joined.tunnel.upstream.data_received(b"bye")
    joined.tunnel.upstream.read_closed()
    assert (joined.client.take(), joined.client.lost, joined.upstream.lost) == (b"bye", "closed", "closed")


# -- time


def test_silence_is_endless_unless_the_route_says_otherwise(joined: Joined) -> None:
    joined.pass_time(10_000)
    assert (joined.client.lost, joined.upstream.lost) == ("", "")


def test_silence_past_the_idle_time_out_ends_it() -> None:
    joined = Joined(idle=10).open()
    for end in (joined.tunnel.client, joined.tunnel.upstream) * 2:
        joined.pass_time(9)
        end.data_received(b"x")
    joined.pass_time(9)
    assert joined.client.lost == ""
    joined.pass_time(1)
    assert (joined.client.lost, joined.upstream.lost) == ("closed", "closed")
    assert joined.exchange.details == "stream_idle_timeout"
    joined.pass_time(CLOSE_SECONDS)
    assert (joined.client.lost, joined.upstream.lost) == ("aborted", "aborted")


@pytest.mark.parametrize("side", ["client", "upstream"])
def test_a_side_that_takes_slowly_what_is_left_is_not_silent(side: str) -> None:
    joined = Joined(idle=10).open()
    pipe: Any = getattr(joined, side)
    pipe.dataBuffer = b"x" * 90_000
    pipe.producer.pauseProducing()
    for left in (60_000, 50_000, 49_999):
        pipe.dataBuffer = b"x" * left
        joined.pass_time(10)
        assert joined.client.lost == ""
    joined.pass_time(5)
    pipe.producer.resumeProducing()
    joined.pass_time(9)
    assert joined.client.lost == ""
    joined.pass_time(1)
    assert joined.exchange.details == "stream_idle_timeout"


@pytest.mark.parametrize(
    ("timeout", "stream"),
    [(30, 0), (0, 30), (30, 60), (60, 30)],
    ids=["route", "all", "route first", "all first"],
)
def test_the_time_out_of_its_route_or_of_all_ends_it_however_busy_it_is(
    timeout: float, stream: float
) -> None:
    joined = Joined(timeout=timeout, idle=10, stream=stream).open()
    for _ in range(29):
        joined.pass_time(1)
        joined.tunnel.client.data_received(b"x")
    assert joined.client.lost == ""
    joined.pass_time(1)
    assert joined.client.lost == "closed"
    assert joined.exchange.details == "max_duration_timeout"


def test_half_of_a_tunnel_may_not_be_silent_for_ever(joined: Joined) -> None:
    joined.pass_time(10_000)
    joined.tunnel.upstream.read_closed()
    joined.pass_time(HALF_CLOSED_SECONDS - 1)
    joined.tunnel.client.data_received(b"x")
    joined.pass_time(HALF_CLOSED_SECONDS - 1)
    assert joined.upstream.lost == ""
    joined.pass_time(1)
    assert joined.upstream.lost == "closed"


# -- ended by us


def test_closing_takes_nothing_more_and_is_over_within_seconds(joined: Joined) -> None:
    joined.tunnel.close("access_revoked")
    joined.tunnel.client.data_received(b"no more")
    joined.tunnel.upstream.data_received(b"nor this")
    assert (joined.upstream.take(), joined.client.take(), joined.exchange.sent) == (b"", b"", 0)
    assert (joined.client.lost, joined.upstream.lost) == ("closed", "closed")
    assert joined.exchange.details == "access_revoked"
    joined.pass_time(CLOSE_SECONDS)
    assert (joined.client.lost, joined.upstream.lost) == ("aborted", "aborted")


def test_whoever_handed_a_connection_over_can_close_it(joined: Joined) -> None:
    joined.tunnel.client.close("shutdown")
    assert (joined.client.lost, joined.upstream.lost, joined.exchange.details) == (
        "closed",
        "closed",
        "shutdown",
    )


def test_closing_shortens_what_time_a_slow_reader_had(joined: Joined) -> None:
    joined.tunnel.upstream.connection_lost(DONE)
    joined.tunnel.close("access_revoked")
    joined.pass_time(CLOSE_SECONDS)
    assert joined.client.lost == "aborted"
    assert joined.exchange.details == "via_upstream"


def test_the_end_of_one_side_gives_the_other_no_more_time(joined: Joined) -> None:
    joined.tunnel.close("access_revoked")
    joined.tunnel.upstream.connection_lost(DONE)
    joined.pass_time(CLOSE_SECONDS)
    assert joined.client.lost == "aborted"


def test_nothing_is_kept_of_what_is_over_and_nothing_is_cut_off_twice(joined: Joined) -> None:
    joined.tunnel.close("access_revoked")
    joined.pass_time(CLOSE_SECONDS)
    joined.client.lost = ""
    joined.pass_time(CLOSE_SECONDS)
    assert joined.client.lost == ""
    assert joined.tunnel in joined.sweep._waiting
    joined.tunnel.upstream.connection_lost(DONE)
    joined.tunnel.client.connection_lost(DONE)
    assert joined.tunnel not in joined.sweep._waiting


# -- memory


def test_a_tunnel_is_small() -> None:
    joined = Joined()

    def make() -> Tunnel:
        return Tunnel(joined.exchange, joined.sweep, joined.clock.seconds, joined.ended.append)

    gc.collect()
    one = make()
    size = sum(map(sys.getsizeof, (one, one.client, one.upstream, one._now, one._ended)))
    assert size < 1024
    assert not hasattr(one, "__dict__")
    assert not hasattr(one.client, "__dict__")


# -- over real sockets


@implementer(IHalfCloseableProtocol)
class Raw(Protocol):
    """A connection that is handed over from its first byte."""

    end: TunnelEnd

    def dataReceived(self, data: bytes) -> None:
        self.end.data_received(data)

    def readConnectionLost(self) -> None:
        self.end.read_closed()

    def writeConnectionLost(self) -> None:
        """Twisted's interface asks for it."""

    def connectionLost(self, reason: Failure) -> None:  # type: ignore[override]
        self.end.connection_lost(reason)


@implementer(IHalfCloseableProtocol)
class Peer(Caller):
    """A raw client or server that notices a half-close."""

    finished = False
    count = 0

    def dataReceived(self, data: bytes) -> None:
        self.count += len(data)
        if self.count <= 1 << 20:
            self.received += data
        self._look()

    def readConnectionLost(self) -> None:
        self.finished = True
        self._look()

    def writeConnectionLost(self) -> None:
        """Twisted's interface asks for it."""

    def finish(self) -> None:
        transport: Any = self.transport
        transport.loseWriteConnection()

    def hold(self) -> None:
        transport: Any = self.transport
        transport.pauseProducing()

    def read_on(self) -> None:
        transport: Any = self.transport
        transport.resumeProducing()


class Loopback:
    """A client and a server with a tunnel between them."""

    async def start(self) -> Loopback:
        running: Any = reactor
        self.sweep = Sweep(running)
        self.sweep.start()
        self.over: Deferred[Tunnel] = Deferred()
        sides = [await self._pair(), await self._pair()]
        (self.client, near), (self.server, far) = sides
        route = Route(id="r", name="r", host="a", port=None, timeout=0.0, idle_timeout=0.0)
        self.exchange: Any = SimpleNamespace(
            plan=SimpleNamespace(route=route),
            generation=SimpleNamespace(timeouts=Timeouts()),
            started=0.0,
            sent=0,
            details="via_upstream",
        )
        self.tunnel = Tunnel(self.exchange, self.sweep, running.seconds, self.over.callback)
        near.end, far.end = self.tunnel.client, self.tunnel.upstream
        self.near, self.far = near.transport, far.transport
        self.tunnel.open(near.transport, far.transport, b"")
        return self

    async def _pair(self) -> tuple[Peer, Raw]:
        """A peer and our end of its connection."""
        running: Any = reactor
        accepted: Deferred[Raw] = Deferred()

        class Ours(Raw):
            def connectionMade(self) -> None:
                accepted.callback(self)

        port = running.listenTCP(0, Factory.forProtocol(Ours), interface="127.0.0.1")
        endpoint = TCP4ClientEndpoint(reactor, "127.0.0.1", port.getHost().port)
        peer, ours = await gatherResults([endpoint.connect(Factory.forProtocol(Peer)), accepted])
        await port.stopListening()
        return peer, ours

    async def stop(self) -> None:
        self.sweep.stop()
        self.client.hang_up()
        self.server.hang_up()
        await wait(0.01)


@ensureDeferred
async def test_over_sockets_one_way_flows_on_after_the_other_is_finished() -> None:
    place = await Loopback().start()
    place.client.send(b"question")
    place.client.finish()
    await place.server.until(lambda: place.server.finished)
    assert place.server.received == b"question"
    place.server.send(b"answer" * 100_000)
    await place.client.until(lambda: place.client.count == 600_000)
    assert not place.client.finished
    place.server.finish()
    await place.client.until(lambda: place.client.finished)
    await place.over
    assert place.exchange.sent == 600_000
    await place.stop()


@ensureDeferred
async def test_over_sockets_a_half_close_waits_for_what_was_held_back() -> None:
    """A transport with a producer that it has paused would never send its FIN."""
    place = await Loopback().start()
    place.client.hold()
    for _ in range(64):
        place.server.send(bytes(1 << 16))
    place.server.finish()
    await wait(0.05)
    place.client.read_on()
    await place.client.until(lambda: place.client.finished)
    assert place.client.count == 64 << 16
    place.client.finish()
    await place.over
    await place.stop()


@ensureDeferred
async def test_over_sockets_a_lost_side_ends_the_other_with_all_its_bytes() -> None:
    place = await Loopback().start()
    place.server.send(b"x" * 500_000)
    transport: Any = place.server.transport
    transport.loseConnection()
    await place.client.until(lambda: place.client.finished)
    assert place.client.count == 500_000
    place.client.hang_up()
    await place.over
    await place.stop()


@ensureDeferred
async def test_over_sockets_ws_07_a_client_that_does_not_read_holds_the_upstream_back() -> None:
    place = await Loopback().start()
    place.client.hold()
    piece = bytes(1 << 20)
    transport: Any = place.server.transport
    for _ in range(100):
        transport.write(piece)
    most, still, last = 0, 0, -1
    while still < 20:  # until nothing moves any more
        await wait(0.002)
        most = max(most, buffered(place.near), buffered(place.far))
        still, last = (still + 1 if place.exchange.sent == last else 0), place.exchange.sent
    assert 0 < most < 1 << 20
    assert place.exchange.sent < 64 << 20
    place.client.read_on()
    await place.client.until(lambda: place.client.count == 100 << 20, 6 * SOON)
    await place.stop()


def buffered(transport: Any) -> int:
    return len(transport.dataBuffer) - transport.offset + transport._tempDataLen
