"""Rows DO of the threat table: no client can hold what it does not use, or take the room of others."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from typing import Any

import pytest
from pytest_twisted import ensureDeferred
from twisted.internet import reactor
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.protocol import Factory
from twisted.internet.task import Clock

from pomerium_tw.proxy import Timeouts
from pomerium_tw.proxy.admission import MAX_CONNECTIONS_PER_CLIENT, ConnectionLimits
from tests.doors import (
    NOBODY,
    Caller,
    Door,
    OnLoopback,
    Pipe,
    RawUpstream,
    UpstreamSide,
    Wire,
    guarded,
    read_answers,
    wait,
)

PING = b"GET /ping HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n"
CHUNKED = b"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
UNHURRIED = Timeouts(request=0)
"""Nothing but the rate ends a body."""


def row(name: str, *values: Any) -> Any:
    return pytest.param(*values, id=name)


def drip(wire: Wire, piece: Callable[[int], bytes], every: int, seconds: int) -> tuple[int, bytes]:
    """Send a piece every so many seconds: the seconds until the connection ended, and what it was sent."""
    received = b""
    for second in range(seconds):
        if second % every == 0:
            received += wire.send(piece(second // every))
        received += wire.pass_time(1)
        if wire.pipe.lost:
            return second + 1, received
    return seconds, received


@pytest.mark.parametrize(
    ("before", "piece", "status"),
    [
        row("DO-01 nothing", b"", lambda _index: b"", 0),
        row("DO-01 a byte of the request line", b"", lambda index: b"GET /"[index : index + 1] or b"a", 408),
        row("DO-01 a header byte", b"GET /ping HTTP/1.1\r\nX: ", lambda _index: b"a", 408),
        row("DO-01 a header line", b"GET /ping HTTP/1.1\r\n", lambda index: b"X-%d: y\r\n" % index, 408),
        row("DO-01 the second request", PING + b"GET", lambda _index: b" ", 408),
        row("DO-01 an empty line", b"", lambda index: b"\r\n" if index == 0 else b"", 408),
    ],
)
def test_a_head_that_takes_its_time_is_cut(before: bytes, piece: Callable[[int], bytes], status: int) -> None:
    wire = Wire()
    answered = wire.send(before) if before else b""
    lasted, received = drip(wire, piece, every=3, seconds=60)
    assert lasted <= 12
    answers = read_answers(answered + received)
    assert [answer.status for answer in answers if answer.status != 200] == ([status] if status else [])
    assert not wire.upstreams
    wire.pass_time(10)
    assert wire.pipe.lost in ("closed", "aborted")


@pytest.mark.parametrize(
    ("head", "piece"),
    [
        row("DO-02 nothing", POST, lambda _index: b""),
        row("DO-02 a byte", POST, lambda _index: b"a"),
        row("DO-02 a chunk", CHUNKED, lambda _index: b"1\r\na\r\n"),
        row("DO-02 a byte of a chunk", CHUNKED, lambda index: b"a" if index else b"ffff\r\n"),
        row("DO-02 a byte of a chunk's size", CHUNKED, lambda _index: b"0"),
    ],
)
def test_a_body_that_takes_its_time_is_cut(head: bytes, piece: Callable[[int], bytes]) -> None:
    wire = Wire([guarded("a", timeout=0, idle_timeout=0)], timeouts=UNHURRIED)
    answered = wire.send(head)
    lasted, received = drip(wire, piece, every=3, seconds=60)
    assert lasted <= 42  # for 16 digits of a chunk's size are too many before the rate is too low
    assert read_answers(answered + received)[0].status in (400, 408)
    wire.pass_time(10)
    assert wire.pipe.lost == "aborted"
    assert [pipe.lost for _protocol, pipe in wire.upstreams] == ["aborted"]
    assert [line["response-code"] for line in wire.log] in ([400], [408])


def test_do_02_what_comes_too_slowly_is_named_in_the_log() -> None:
    wire = Wire([guarded("a", timeout=0, idle_timeout=0)], timeouts=UNHURRIED)
    wire.send(POST)
    lasted, _received = drip(wire, lambda _index: b"a", every=3, seconds=60)
    assert 10 <= lasted <= 12
    assert [line["response-code-details"] for line in wire.log] == ["request_body_too_slow"]


def test_do_02_after_an_answer_has_begun_the_connection_just_ends() -> None:
    wire = Wire([guarded("a", timeout=0, idle_timeout=0)], timeouts=UNHURRIED)
    wire.send(POST)
    wire.answer(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    lasted, received = drip(wire, lambda _index: b"a", every=3, seconds=60)
    assert 10 <= lasted <= 12
    assert b"HTTP/1.1" not in received
    assert wire.pipe.lost == "half"  # it may have answers before this one to read
    wire.pass_time(7)
    assert wire.pipe.lost == "aborted"


def test_do_02_a_modest_client_is_let_finish() -> None:
    wire = Wire([guarded("a", timeout=0, idle_timeout=0)], timeouts=UNHURRIED)
    wire.send(POST)
    lasted, _received = drip(wire, lambda _index: b"a" * 300, every=1, seconds=120)
    assert lasted == 120
    wire.send(b"a" * (100_000 - 120 * 300))
    assert read_answers(wire.answer(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"))[0].status == 200


def test_do_02_an_upstream_that_does_not_read_is_not_the_clients_slowness() -> None:
    wire = Wire([guarded("a", timeout=0, idle_timeout=0)], timeouts=UNHURRIED)
    wire.send(POST)
    producer = wire.upstreams[-1][1].producer
    producer.pauseProducing()
    wire.send(b"a" * 10)
    wire.pass_time(100)
    assert wire.pipe.lost == ""
    producer.resumeProducing()
    wire.send(b"a" * (100_000 - 10))
    assert read_answers(wire.answer(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"))[0].status == 200


# -- a client that reads slowly, on sockets whose time is the test's


class Flood:
    """An upstream that has 100 MB to say, and says as much as it is let."""

    SIZE = 100 * 2**20
    PIECE = 64 * 1024

    def __init__(self) -> None:
        self.given = 0

    def __call__(self, side: UpstreamSide, _request: bytes) -> None:
        side.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % self.SIZE)
        transport: Any = side.transport
        self._transport = transport
        transport.registerProducer(self, False)

    def resumeProducing(self) -> None:
        if self.given < self.SIZE:
            self.given += self.PIECE
            self._transport.write(b"x" * self.PIECE)
        else:
            self._transport.unregisterProducer()

    def stopProducing(self) -> None:
        """The proxy has closed."""


class Counting(Caller):
    """Keeps no more than the count of what it reads."""

    count = 0
    enough: float = math.inf
    """Bytes after which it reads no further."""

    def dataReceived(self, data: bytes) -> None:
        self.count += len(data)
        if self.count >= self.enough:
            transport: Any = self.transport
            transport.pauseProducing()
        self._look()

    async def read(self, size: int) -> None:
        """Read so much more, and a little."""
        self.enough = self.count + size
        transport: Any = self.transport
        transport.resumeProducing()
        await self.until(lambda: self.count >= self.enough)


class TimedDoor:
    """A door on a socket whose deadlines are kept by a clock of the test's."""

    async def open(self) -> TimedDoor:
        running: Any = reactor
        self.clock = Clock()
        self.clock.advance(1_000_000)
        self.flood = Flood()
        self.upstream = RawUpstream()
        self.upstream.script["/"] = self.flood
        self._behind = running.listenTCP(0, self.upstream, interface="127.0.0.1")
        target = TCP4ClientEndpoint(reactor, "127.0.0.1", self._behind.getHost().port)
        self.door = Door([guarded("a", timeout=0, idle_timeout=0)], lambda _upstream: target, self.clock)
        self.door.start()
        self._front = running.listenTCP(0, self.door.listener, interface="127.0.0.1")
        endpoint = TCP4ClientEndpoint(reactor, "127.0.0.1", self._front.getHost().port)
        self.caller: Counting = await endpoint.connect(Factory.forProtocol(Counting))
        self.caller.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        return self

    async def close(self) -> None:
        self.caller.hang_up()
        self.door.stop()
        for side in self.upstream.connections:
            if not side.closed:
                side.break_off()
        await self._front.stopListening()
        await self._behind.stopListening()

    async def settle(self) -> int:
        """Bytes that the upstream could get rid of, once it gets rid of no more."""
        before = -1
        while before != self.flood.given:
            before = self.flood.given
            await wait(0.1)
        return before

    async def pass_time(self, seconds: int) -> None:
        for _ in range(seconds):
            self.clock.advance(1)
            await wait(0)


@ensureDeferred
async def test_do_03_a_client_that_does_not_read_is_waited_for_with_little_memory_and_then_cut() -> None:
    timed = await TimedDoor().open()
    try:
        client: Any = timed.caller.transport
        await timed.caller.until(lambda: timed.caller.count > 0)
        client.pauseProducing()
        # What the sockets of the system hold on both legs is theirs; none of it is the proxy's memory.
        assert await timed.settle() < Flood.SIZE / 2
        (connection,) = timed.door.listener._connections
        transport: Any = connection.transport
        held = len(transport.dataBuffer) - transport.offset + sum(map(len, transport._tempDataBuffer))
        assert held < 2**20
        await timed.pass_time(30)
        assert not timed.upstream.connections[0].closed
        await timed.pass_time(100)
        await wait(0.05)
        assert timed.upstream.connections[0].closed
        assert not timed.door.listener._connections
        (line,) = timed.door.access_log()
        assert (line["response-code"], line["response-code-details"]) == (200, "stream_flush_timeout")
    finally:
        await timed.close()


@pytest.mark.parametrize(("size", "every"), [(8 * 2**20, 40), (2**18, 30)], ids=["in bursts", "in drops"])
@ensureDeferred
async def test_do_03_a_client_that_reads_slowly_but_reads_is_waited_for(size: int, every: int) -> None:
    """In drops, the sockets of the system hide for minutes that anything moves."""
    timed = await TimedDoor().open()
    try:
        client: Any = timed.caller.transport
        await timed.caller.until(lambda: timed.caller.count > 0)
        client.pauseProducing()
        await timed.settle()
        for _ in range(10):
            await timed.pass_time(every)
            await timed.caller.read(size)
        timed.caller.enough = math.inf
        client.resumeProducing()
        await timed.caller.until(lambda: timed.caller.count > Flood.SIZE)
        assert not timed.caller.closed
    finally:
        await timed.close()


# -- many connections


class From(Pipe):
    """A client's end at some address."""

    def __init__(self, address: str) -> None:
        super().__init__()
        kind = IPv6Address if ":" in address else IPv4Address
        self.peer = kind("TCP", address, 4711)

    def getPeer(self) -> Any:
        return self.peer


def come(wire: Wire, address: str) -> Any:
    """A connection from ``address``; None when it is not taken."""
    pipe = From(address)
    connection = wire.door.listener.buildProtocol(pipe.peer)
    if connection is not None:
        connection.makeConnection(pipe)
        wire.client, wire.pipe = connection, pipe
    return connection


@pytest.mark.parametrize(
    ("crowd", "other"),
    [
        row("DO-04 one IPv4 address", lambda _index: "198.51.100.1", "198.51.100.2"),
        row("DO-04 one IPv6 network", lambda index: f"2001:db8::{index + 1:x}", "2001:db8:0:1::1"),
    ],
)
def test_one_client_with_5000_connections_leaves_room_for_others(
    crowd: Callable[[int], str], other: str
) -> None:
    wire = Wire()
    taken = [come(wire, crowd(index)) for index in range(5000)]
    assert sum(connection is not None for connection in taken) == MAX_CONNECTIONS_PER_CLIENT
    assert come(wire, other) is not None
    assert read_answers(wire.send(PING))[0].status == 200


def test_do_04_there_is_a_limit_in_all_and_who_is_in_is_served() -> None:
    wire = Wire()
    wire.door.listener.admission.limits = ConnectionLimits(total=100)
    first, first_pipe = wire.client, wire.pipe
    taken = [come(wire, f"198.51.100.{index}") for index in range(200)]
    assert sum(connection is not None for connection in taken) == 99
    wire.client, wire.pipe = first, first_pipe
    assert read_answers(wire.send(PING))[0].status == 200


def test_do_04_idle_connections_end_and_make_room() -> None:
    wire = Wire()
    wire.door.listener.admission.limits = ConnectionLimits(total=100)
    pipes = []
    for index in range(99):
        come(wire, f"198.51.100.{index}")
        pipes.append((wire.client, wire.pipe))
    wire.pass_time(12)
    for connection, pipe in pipes:
        assert pipe.lost
        connection.connectionLost()
    assert come(wire, "198.51.100.200") is not None


@ensureDeferred
async def test_do_04_connections_beyond_the_limit_are_closed_on_the_socket(opened: Any) -> None:
    place: OnLoopback = opened()
    place.door.listener.admission.limits = ConnectionLimits(per_client=20)
    callers = [await place.call() for _ in range(30)]
    for caller in callers[20:]:
        assert await caller.end() == b""
    other = TCP4ClientEndpoint(reactor, "127.0.0.1", place.port, bindAddress=("127.0.0.2", 0))
    caller: Caller = await other.connect(Factory.forProtocol(Caller))
    place.callers.append(caller)
    for each in (caller, callers[0]):
        each.send(PING)
        assert (await each.answer()).status == 200


# -- much at once


@pytest.mark.parametrize(
    "framing",
    [
        row("DO-05 Content-Length", b"Content-Length: 10737418240"),
        row("DO-05 chunked", b"Transfer-Encoding: chunked"),
    ],
)
def test_a_body_that_is_denied_is_not_waited_for(framing: bytes) -> None:
    wire = Wire([guarded("a", NOBODY)])
    received = wire.send(b"POST / HTTP/1.1\r\nHost: a\r\n%b\r\n\r\n" % framing)
    assert read_answers(received)[0].status == 403
    if b"chunked" in framing:
        wire.send(b"ffffffff\r\n")
    sent = 0
    while wire.pipe.reading and wire.pipe.lost != "aborted" and sent < 2**26:
        wire.send(b"x" * 2**16)
        wire.pass_time(1)
        sent += 2**16
    assert sent <= 2 * 2**20
    wire.pass_time(70)
    assert wire.pipe.lost in ("closed", "aborted")
    assert not wire.upstreams


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        row("DO-09 100,000 headers", PING[:-2] + b"".join(b"X%d: 1\r\n" % i for i in range(100_000)), 431),
        row(
            "DO-09 1001 headers", PING[:-2] + b"".join(b"X%d: 1\r\n" % i for i in range(1001)) + b"\r\n", 431
        ),
        row("DO-09 900 headers", PING[:-2] + b"".join(b"X%d: 1\r\n" % i for i in range(900)) + b"\r\n", 200),
        row("DO-09 100,000 query keys", b"GET /?" + b"&".join(b"%d" % i for i in range(100_000)), 431),
        row(
            "DO-09 too many query keys",
            b"GET /?" + b"&".join(b"%d" % i for i in range(10_000)) + b" HTTP/1.1\r\nHost: a\r\n\r\n",
            414,
        ),
        row(
            "DO-09 query keys for a page of ours",
            b"GET /ping?" + b"&".join(b"%d" % i for i in range(100)) + b" HTTP/1.1\r\nHost: a\r\n\r\n",
            200,
        ),
        row(
            "DO-09 more query keys for a page of ours",
            b"GET /ping?" + b"&".join(b"%d" % i for i in range(5000)) + b" HTTP/1.1\r\nHost: a\r\n\r\n",
            400,
        ),
        row("DO-09 as many cookies", PING[:-2] + b"Cookie: " + b"a=1; " * 25_000 + b"b=1\r\n\r\n", 200),
        row("DO-09 more cookies", PING[:-2] + b"Cookie: " + b"a=1; " * 30_000 + b"b=1\r\n\r\n", 431),
    ],
)
def test_how_much_a_head_may_hold_is_counted(request_: bytes, status: int) -> None:
    wire = Wire()
    assert [answer.status for answer in read_answers(wire.send(request_))] == [status]


def test_do_09_nobody_can_choose_keys_that_collide() -> None:
    assert sys.hash_info.algorithm.startswith("siphash")
