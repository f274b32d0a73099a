"""One exchange of an HTTP/1.1 connection: the request's body in, the framed answer out (RFC 9112 §6, §7)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twisted.internet.interfaces import IPushProducer
from zope.interface import implementer

from ..model import Request
from ..transport import limit_next_read, unsent
from .chunked import LAST_CHUNK, ChunkedDecoder, encode_chunk, is_mostly_framing
from .exchange import BodySink, Exchange, Receiver

if TYPE_CHECKING:
    from .client_address import Client, Trust
    from .downstream import DownstreamConnection
    from .generation import Generation

MAX_DRAINED = 64 * 1024
"""Bytes of an unread body that are read away to keep a connection; with a longer one it closes."""


class BodyTooLargeError(Exception):
    """More of a body came than the route takes."""


@implementer(IPushProducer)
class Http1Exchange(Exchange):
    """Implements IExchange over a connection. As a producer, it is the flow of the request's body.

    Once it is answered or lost, what is still written to it goes nowhere.
    """

    body_done = True
    answered = False
    """The answer is written in full."""
    gone = False
    """The client left before the answer was complete, or was cut off."""
    received = 0
    """Bytes of body so far."""
    drained = 0
    """Bytes read away after the answer, those of the chunks' framing too."""
    _sink: BodySink | None = None
    _reading = False
    _left = 0
    _decoder: ChunkedDecoder | None = None
    _no_body = False
    _chunked_out = False
    _closes = False
    _called_for = False
    """A client that asked whether to send the body was told to, or did not wait for that."""

    def __init__(
        self, connection: DownstreamConnection, request: Request, generation: Generation, started: float
    ) -> None:
        self.request = request
        self.generation = generation
        self.started = started
        self._connection = connection
        head = request.head
        if head.chunked or head.content_length:
            self.body_done = False
            self._left = head.content_length or 0
            self._decoder = ChunkedDecoder() if head.chunked else None

    # -- the request's body

    def attend(self, sink: BodySink) -> None:
        self._sink = sink

    def read_body(self) -> None:
        self._reading = True
        if self.body_done:
            if self._sink is not None:
                self._sink.body_end()
            return
        if self.request.head.expect_continue and not self.status:
            self._called_for = True
            if not self._connection.has_buffered():
                self._connection.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        self._connection.release_body(self)

    def wants_body(self) -> bool:
        """Whether arriving bytes are this exchange's body and somebody takes them, or they are read away."""
        return not self.body_done and (self._reading or self.answered)

    def split(self, data: bytes) -> tuple[bytes, bytes]:
        """Body bytes in ``data``, and what lies beyond the body. Raises ChunkError."""
        if self.answered:
            self.drained += len(data)
        if self._decoder is None:
            body, rest = data[: self._left], data[self._left :]
            self._left -= len(body)
            self.body_done = not self._left
        else:
            body = self._decoder.feed(data)
            self.body_done = self._decoder.finished
            rest = self._decoder.rest if self.body_done else b""
            if is_mostly_framing(data, body):
                limit_next_read(self._connection.transport)
        return body, rest

    def body_received(self, body: bytes) -> None:
        """Hand on what :meth:`split` found. Raises BodyTooLargeError."""
        self.received += len(body)
        if 0 < self.body_limit < self.received and not self.answered:
            raise BodyTooLargeError
        if body and self._sink is not None:
            self._sink.body_data(body)
        # Whoever took the data may have answered, and wants no more then: the sink is asked for again.
        if self.body_done and self._sink is not None:
            self._sink.body_end()

    def pauseProducing(self) -> None:
        self._connection.hold_body(self)

    def resumeProducing(self) -> None:
        self._connection.release_body(self)

    def stopProducing(self) -> None:
        """The upstream is gone; its own loss is reported to whoever forwards."""

    # -- the answer

    def send_head(
        self, status: int, line: bytes, lines: bytes, *, chunked: bool, data: bytes = b"", end: bool = False
    ) -> None:
        if self.answered or self.gone:
            return
        self.status = status
        connection, head = self._connection, self.request[4]
        if end and self.body_done and not (head.close or connection.closing or chunked):
            # Nearly every answer: all there, its length told, and another request may follow.
            if data and self.request[1] != "HEAD" and status not in (204, 304):
                self.sent = len(data)
            else:
                data = b""
            request_id = self.request[0].encode()
            connection.write(b"HTTP/1.1 %b\r\n%bX-Request-Id: %b\r\n\r\n%b" % (line, lines, request_id, data))
            self.answered = True
            self._sink = None
            connection.exchange_answered(self, False)
            return
        self._no_body = status in (204, 304) or self.request.method == "HEAD"
        extra = b""
        if chunked and not self._no_body:
            self._chunked_out = True
            extra = b"Transfer-Encoding: chunked\r\n"
        if head.close or connection.closing or not (self.body_done or self._will_be_read(end)):
            self._closes = True
            extra += b"Connection: close\r\n"
        connection.write(
            b"HTTP/1.1 %b\r\n%bX-Request-Id: %b\r\n%b\r\n%b%b"
            % (
                line,
                lines,
                self.request.id.encode(),
                extra,
                self._framed(data),
                self._ending() if end else b"",
            )
        )
        if end:
            self._finish()

    def _will_be_read(self, end: bool) -> bool:
        """Whether the rest of the body comes to its end, so that a request can follow it."""
        return (self._reading and not end) or (self._decoder is None and self._drainable())

    def _framed(self, data: bytes) -> bytes:
        if not data or self._no_body:
            return b""
        self.sent += len(data)
        return encode_chunk(data) if self._chunked_out else data

    def _ending(self, trailers: bytes = b"") -> bytes:
        if not self._chunked_out:
            return b""
        return b"0\r\n%b\r\n" % trailers if trailers else LAST_CHUNK

    def send_data(self, data: bytes) -> None:
        if self.answered or self.gone:
            return
        framed = self._framed(data)
        if framed:
            self._connection.write(framed)

    def send_end(self, trailers: bytes = b"") -> None:
        if self.answered or self.gone:
            return
        ending = self._ending(trailers)
        if ending:
            self._connection.write(ending)
        self._finish()

    def _drainable(self) -> bool:
        """Whether to read the rest of the body away: it comes, and is short for all that is known."""
        return self._left <= MAX_DRAINED and (self._called_for or not self.request.head.expect_continue)

    def _finish(self) -> None:
        self.answered = True
        self._sink = None
        self._connection.exchange_answered(self, self._closes or not (self.body_done or self._drainable()))

    def throttle(self, producer: IPushProducer) -> None:
        if not self.answered and not self.gone:
            self._connection.throttle(producer)

    def unthrottle(self) -> None:
        if not self.answered and not self.gone:
            self._connection.unthrottle()

    def unsent(self) -> int:
        return unsent(self._connection.transport)

    def client_by(self, trust: Trust) -> Client:
        return self._connection.client_by(self.request.head, trust)

    def forget(self) -> None:
        self.request.head.memo.clear()
        self._connection.forget()

    def reset(self) -> None:
        if not self.answered and not self.gone:
            self._connection.exchange_reset(self)

    def lost(self) -> None:
        """The connection is gone, or gives this exchange up."""
        self.gone = True
        self.forsake()

    def forsake(self) -> None:
        """The body will not come: whoever was to answer is told, and somebody else may."""
        sink, self._sink = self._sink, None
        if sink is not None:
            sink.exchange_lost()

    # -- after an upgrade

    def detach(self, receiver: Receiver, status: int) -> Any:
        self.status = status
        self.answered = True
        self._sink = None
        return self._connection.detach(receiver)

    def over(self) -> None:
        self._connection.exchange_over(self)
