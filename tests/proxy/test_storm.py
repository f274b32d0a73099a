"""Whatever clients, upstreams and time do, in any order: nothing fails, and no exchange ends twice."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.logger import LogLevel, globalLogPublisher
from twisted.python.failure import Failure

from tests.doors import NOBODY, Wire, guarded

REQUESTS = st.sampled_from(
    [
        b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n",
        b"HEAD /x HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /ping HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nabcdef",
        b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\nExpect: 100-continue\r\n\r\nabcdef",
        b"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n",
        b"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcX",
        b"POST /x HTTP/1.1\r\nHost: nobody\r\nContent-Length: 6\r\n\r\nabcdef",
        b"POST /x HTTP/1.1\r\nHost: nobody\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        b"POST /.pomerium/form HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\ntext=a",
        b"nonsense\r\n\r\n",
        b"GET",
    ]
)
ANSWERS = st.sampled_from(
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi",
        b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nhi",
        b"HTTP/1.1 200 OK\r\n\r\nhi",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n",
        b"HTTP/1.1 204 No Content\r\n\r\n",
        b"HTTP/1.1 413 Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"hi",
        b"nonsense\r\n\r\n",
    ]
)
MOVES = st.one_of(
    st.tuples(st.just("send"), REQUESTS, st.integers(1, 200)),
    st.tuples(st.just("answer"), ANSWERS, st.integers(0, 3)),
    st.tuples(st.just("upstream closes"), st.booleans(), st.integers(0, 3)),
    st.tuples(st.just("client reads"), st.booleans()),
    st.tuples(st.just("upstream reads"), st.booleans(), st.integers(0, 3)),
    st.tuples(st.just("time"), st.integers(1, 40)),
    st.tuples(st.just("client leaves")),
    st.tuples(st.just("connecting"), st.booleans()),
    st.tuples(st.just("drain")),
)


@contextmanager
def failures_seen() -> Iterator[list[Any]]:
    """What the log says went wrong within."""
    seen: list[Any] = []

    def observe(event: Any) -> None:
        if event.get("log_level") in (LogLevel.critical, LogLevel.error):
            seen.append(event)

    globalLogPublisher.addObserver(observe)
    try:
        yield seen
    finally:
        globalLogPublisher.removeObserver(observe)


class Storm:
    """A wire whose ends behave as sockets do: nothing arrives where reading stopped or after the end."""

    def __init__(self) -> None:
        self.wire = Wire([guarded("a", timeout=20, idle_timeout=15), guarded("nobody", NOBODY)])
        self.gone: set[int] = set()
        self.left = False

    def _side(self, index: int) -> Any:
        index = len(self.wire.upstreams) - 1 - index
        if index < 0 or index in self.gone:
            return None
        return index, *self.wire.upstreams[index]

    def _settle(self) -> None:
        """Cut or closed connections are lost."""
        for index, (protocol, pipe) in enumerate(self.wire.upstreams):
            if pipe.lost and index not in self.gone:
                self.gone.add(index)
                protocol.connectionLost(Failure(ConnectionDone()))
        if self.wire.pipe.lost in ("closed", "aborted") and not self.left:
            self.left = True
            self.wire.client_closes()

    def move(self, kind: str, *how: Any) -> None:
        getattr(self, kind.replace(" ", "_"))(*how)
        self._settle()

    def send(self, data: bytes, size: int) -> None:
        for at in range(0, len(data), size):
            if self.left or not self.wire.pipe.reading:
                return
            self.wire.client.dataReceived(data[at : at + size])
            self._settle()

    def answer(self, data: bytes, index: int) -> None:
        side = self._side(index)
        if side and side[2].reading:
            side[1].dataReceived(data)

    def upstream_closes(self, cleanly: bool, index: int) -> None:
        side = self._side(index)
        if side:
            self.gone.add(side[0])
            side[1].connectionLost(Failure(ConnectionDone() if cleanly else ConnectionLost()))

    def client_reads(self, does: bool) -> None:
        if not self.left and self.wire.pipe.producer is not None:
            (self.wire.client.resumeProducing if does else self.wire.client.pauseProducing)()

    def upstream_reads(self, does: bool, index: int) -> None:
        side = self._side(index)
        if side and side[2].producer is not None:
            (side[2].producer.resumeProducing if does else side[2].producer.pauseProducing)()

    def time(self, seconds: int) -> None:
        for _ in range(seconds):
            self.wire.clock.advance(1)
            self._settle()

    def client_leaves(self) -> None:
        if not self.left:
            self.left = True
            self.wire.client_closes()

    def connecting(self, slow: bool) -> None:
        self.wire.slow = slow
        while self.wire.dialled and self.wire.dialled[0][1].called:
            self.wire.dialled.pop(0)
        if self.wire.dialled:
            self.wire.connect()

    def drain(self) -> None:
        if not self.left:
            self.wire.door.listener.drain()


@given(st.lists(MOVES, max_size=25))
@settings(max_examples=300, deadline=None)
def test_any_order_of_events(moves: list[tuple[Any, ...]]) -> None:
    with failures_seen() as failures:
        storm = Storm()
        for move in moves:
            storm.move(*move)
        storm.time(500)
        storm.client_leaves()
        storm.time(100)  # connections that became free are kept for a minute
    assert failures == []
    ids = [line["request-id"] for line in storm.wire.log]
    assert len(ids) == len(set(ids)), "an exchange ended twice"
    waiting = storm.wire.door.sweep._waiting
    assert not [each for each in waiting if each.deadline], "somebody still waits although everybody has left"
