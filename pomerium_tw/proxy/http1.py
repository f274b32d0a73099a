"""One exchange of an HTTP/1.1 connection: the request's body in, the framed answer out (RFC 9112 §6, §7)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted.internet.interfaces import IPushProducer
from zope.interface import implementer

from ..model import Request
from .chunked import LAST_CHUNK, ChunkedDecoder, encode_chunk
from .exchange import BodySink, Exchange

if TYPE_CHECKING:
    from .downstream import DownstreamConnection
    from .generation import Generation

MAX_DRAINED = 64 * 1024
"""Longest unread body that is read away to keep a connection; with a longer one the connection closes."""


@implementer(IPushProducer)
class Http1Exchange(Exchange):
    """Implements IExchange over a connection. As a producer, it is the flow of the request's body.

    Once it is answered or lost, what is still written to it goes nowhere.
    """

    __slots__ = (
        "_chunked_out",
        "_close",
        "_connection",
        "_decoder",
        "_left",
        "_no_body",
        "_reading",
        "_sink",
        "answered",
        "body_done",
        "gone",
    )

    def __init__(
        self, connection: DownstreamConnection, request: Request, generation: Generation, started: float
    ) -> None:
        super().__init__(request, generation, started)
        head = request.head
        self._connection = connection
        self._left = head.content_length or 0
        self._decoder = ChunkedDecoder() if head.chunked else None
        self._sink: BodySink | None = None
        self._reading = False
        self.body_done = not self._left and self._decoder is None
        self.answered = False
        """The answer is written in full."""
        self.gone = False
        """The client left before the answer was complete, or was cut off."""
        self._no_body = request.method == "HEAD"
        self._chunked_out = False
        self._close = head.close

    # -- the request's body

    def attend(self, sink: BodySink) -> None:
        self._sink = sink

    def read_body(self) -> None:
        self._reading = True
        if self.body_done:
            if self._sink is not None:
                self._sink.body_end()
            return
        if self.request.head.expect_continue and not self.status and not self._connection.has_buffered():
            self._connection.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        self._connection.release_body(self)

    def wants_body(self) -> bool:
        """Whether arriving bytes are this exchange's body and somebody takes them, or they are read away."""
        return not self.body_done and (self._reading or self.answered)

    def body_received(self, data: bytes) -> bytes:
        """Take body bytes from ``data``; returns what lies beyond the body. Raises ChunkError."""
        if self._decoder is None:
            body, rest = data[: self._left], data[self._left :]
            self._left -= len(body)
            self.body_done = not self._left
        else:
            body = self._decoder.feed(data)
            self.body_done = self._decoder.finished
            rest = self._decoder.rest if self.body_done else b""
        if body and self._sink is not None:
            self._sink.body_data(body)
        # Whoever took the data may have answered, and wants no more then: the sink is asked for again.
        if self.body_done and self._sink is not None:
            self._sink.body_end()
        return rest

    def pauseProducing(self) -> None:
        self._connection.hold_body(self)

    def resumeProducing(self) -> None:
        self._connection.release_body(self)

    def stopProducing(self) -> None:
        """The upstream is gone; its own loss is reported to whoever forwards."""

    # -- the answer

    def send_head(
        self, status: bytes, lines: bytes, *, chunked: bool, data: bytes = b"", end: bool = False
    ) -> None:
        if self.answered or self.gone:
            return
        self.status = int(status[:3])
        self._no_body = self._no_body or self.status in (204, 304)
        extra = b""
        if chunked and not self._no_body:
            self._chunked_out = True
            extra = b"Transfer-Encoding: chunked\r\n"
        if not self.body_done and (end or not self._reading) and not self._drainable():
            self._close = True
        if self._close or self._connection.closing:
            self._close = True
            extra += b"Connection: close\r\n"
        head = b"HTTP/1.1 " + status + b"\r\n" + lines + extra + b"\r\n"
        self._connection.write(head + self._framed(data) + (self._ending() if end else b""))
        if end:
            self._finish()

    def _framed(self, data: bytes) -> bytes:
        if not data or self._no_body:
            return b""
        self.sent += len(data)
        return encode_chunk(data) if self._chunked_out else data

    def _ending(self) -> bytes:
        return LAST_CHUNK if self._chunked_out else b""

    def send_data(self, data: bytes) -> None:
        if self.answered or self.gone:
            return
        framed = self._framed(data)
        if framed:
            self._connection.write(framed)

    def send_end(self) -> None:
        if self.answered or self.gone:
            return
        if self._chunked_out:
            self._connection.write(LAST_CHUNK)
        self._finish()

    def _drainable(self) -> bool:
        return self._decoder is None and self._left <= MAX_DRAINED and not self.request.head.expect_continue

    def _finish(self) -> None:
        self.answered = True
        self._sink = None
        self._connection.exchange_answered(self, self._close or not (self.body_done or self._drainable()))

    def throttle(self, producer: IPushProducer) -> None:
        if not self.answered and not self.gone:
            self._connection.throttle(producer)

    def unthrottle(self) -> None:
        if not self.answered and not self.gone:
            self._connection.unthrottle()

    def reset(self) -> None:
        if not self.answered and not self.gone:
            self._connection.exchange_reset(self)

    def lost(self) -> None:
        """The connection is gone, or gives this exchange up."""
        self.gone = True
        sink, self._sink = self._sink, None
        if sink is not None:
            sink.exchange_lost()
