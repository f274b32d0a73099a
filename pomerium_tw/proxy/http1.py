"""HTTP/1.1 towards the client: requests in order, bodies both ways, a deadline for everything (RFC 9112)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twisted.internet.interfaces import IPushProducer
from twisted.internet.protocol import Protocol
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from ..model import Head, Request
from .chunked import LAST_CHUNK, ChunkedDecoder, ChunkError, encode_chunk
from .exchange import BodySink, Exchange
from .head import HeadError, incomplete_fault, parse_head
from .target import parse_request_line, parse_target

if TYPE_CHECKING:
    from .generation import Generation
    from .listener import Listener

log = Logger("pomerium.proxy")

MAX_BUFFERED = 64 * 1024
"""Bytes of body or of further requests held per connection before reading pauses."""
MAX_DRAINED = 64 * 1024
"""Longest unread body that is read away to keep a connection; with a longer one the connection closes."""
MAX_LINGER_BYTES = 1024 * 1024
"""Bytes read away after the last answer, so that the client sees it before the connection ends."""
LINGER_SECONDS = 5.0
MEMO_BLOCKS = 4
"""Header blocks remembered per connection: a client repeats its own, and can evict nobody else's."""
MEMO_BYTES = 16 * 1024
"""Longer blocks are not remembered."""


@implementer(IPushProducer)
class Http1Exchange(Exchange):
    """One exchange of a connection. As a producer, it is the flow of the request's body."""

    __slots__ = ("_chunked_out", "_close", "_connection", "_decoder", "_left", "_no_body", "_sink", "answered", "body_done", "gone")

    def __init__(self, connection: DownstreamConnection, request: Request, generation: Generation, started: float) -> None:
        super().__init__(request, generation, started)
        head = request.head
        self._connection = connection
        self._left = head.content_length or 0
        self._decoder = ChunkedDecoder() if head.chunked else None
        self._sink: BodySink | None = None
        self.body_done = not self._left and self._decoder is None
        self.answered = False
        self.gone = False
        """The client left before the answer."""
        self._no_body = request.method == "HEAD"
        self._chunked_out = False
        self._close = head.close

    # -- the request's body

    def read_body(self, sink: BodySink) -> None:
        self._sink = sink
        if self.body_done:
            sink.body_end()
            return
        if self.request.head.expect_continue and not self.status and not self._connection.has_buffered():
            self._connection.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        self._connection.resume()

    def wants_body(self) -> bool:
        """Whether arriving bytes are this exchange's body and somebody takes them."""
        return not self.body_done and (self._sink is not None or self.answered)

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
        sink = self._sink
        if sink is not None:
            if body:
                sink.body_data(body)
            if self.body_done:
                sink.body_end()
        return rest

    def pause_body(self) -> None:
        self._connection.pause()

    def resume_body(self) -> None:
        self._connection.resume()

    def pauseProducing(self) -> None:
        self.pause_body()

    def resumeProducing(self) -> None:
        self.resume_body()

    def stopProducing(self) -> None:
        """The upstream is gone; its own loss is reported to whoever forwards."""

    # -- the answer

    def send_head(self, status: bytes, lines: bytes, *, chunked: bool, data: bytes = b"", end: bool = False) -> None:
        self.status = int(status[:3])
        self._no_body = self._no_body or self.status in (204, 304)
        extra = b""
        if chunked and not self._no_body:
            self._chunked_out = True
            extra = b"Transfer-Encoding: chunked\r\n"
        if not self.body_done and self._sink is None and not self._drainable():
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
        framed = self._framed(data)
        if framed:
            self._connection.write(framed)

    def send_end(self) -> None:
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
        self._connection.throttle(producer)

    def unthrottle(self) -> None:
        self._connection.unthrottle()

    def reset(self) -> None:
        self._connection.abort()

    def lost(self) -> None:
        """The connection is gone."""
        self.gone = True
        sink, self._sink = self._sink, None
        if sink is not None:
            sink.exchange_lost()


class DownstreamConnection(Protocol):
    """One client connection. Pipelined requests are answered one after the other, in order."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._buffer = b""
        self._exchange: Http1Exchange | None = None
        self._advancing = False
        self._paused = False
        self._lingered = -1
        self._throttled = False
        self._memo: dict[bytes, tuple[int, Head]] = {}
        self.closing = False
        """The connection ends after the present answer."""
        self.deadline = 0.0
        """When the listener's sweep ends this connection (seconds since the epoch); 0 is never."""
        self.last_activity = 0.0

    # -- connection

    def connectionMade(self) -> None:
        self._listener.opened(self)
        self.peer = self._listener.peer_of(self.transport)
        self.deadline = self._listener.now() + self._listener.generation.timeouts.idle

    def connectionLost(self, reason: Failure | None = None) -> None:
        self._listener.lost(self)
        exchange, self._exchange = self._exchange, None
        self._buffer = b""
        if exchange is not None:
            exchange.lost()
            if not exchange.answered:
                exchange.details = exchange.details or "downstream_remote_disconnect"
                self._listener.finished(exchange)

    def dataReceived(self, data: bytes) -> None:
        exchange = self._exchange
        if self._lingered >= 0:
            self._linger(len(data))
        elif exchange is None or self._buffer or not exchange.wants_body():
            self._buffer = self._buffer + data if self._buffer else data
            self._advance()
        else:
            self._take_body(exchange, data)
            self._advance()

    # -- requests

    def _advance(self) -> None:
        """Work through the buffer until bytes or an answer are missing."""
        if self._advancing:
            return
        self._advancing = True
        try:
            while self._buffer and self._lingered < 0:
                exchange = self._exchange
                if exchange is None:
                    if self.closing or not self._next_request():
                        break
                elif exchange.wants_body() and not self._paused:
                    data, self._buffer = self._buffer, b""
                    self._take_body(exchange, data)
                else:
                    break
        finally:
            self._advancing = False
        if len(self._buffer) > MAX_BUFFERED and self._exchange is not None:
            self.pause()

    def _take_body(self, exchange: Http1Exchange, data: bytes) -> None:
        self.last_activity = self._listener.now()
        try:
            self._buffer = exchange.body_received(data)
        except ChunkError as error:
            self._refuse_body(exchange, HeadError(400, str(error)))
            return
        if exchange.body_done and self._exchange is exchange:
            self.deadline = 0.0
            if exchange.answered:
                self._next()

    def _next_request(self) -> bool:
        """Begin the next request in the buffer; False when it is not all there or was refused."""
        buffer = self._buffer
        if buffer.startswith(b"\r\n"):
            # One empty line before a request is tolerated (RFC 9112 §2.2).
            buffer = buffer[2:]
        end = buffer.find(b"\r\n\r\n")
        try:
            if end < 0:
                fault = incomplete_fault(buffer)
                if fault is not None:
                    raise fault
                if self.deadline <= 0 or self._listener.now() + self._listener.generation.timeouts.head < self.deadline:
                    self.deadline = self._listener.now() + self._listener.generation.timeouts.head
                return False
            block = buffer[: end + 2]
            self._buffer = buffer[end + 4 :]
            started = self._listener.now()
            request, generation = self._read(block)
        except HeadError as error:
            self._refuse(error)
            return False
        exchange = Http1Exchange(self, request, generation, started)
        self._exchange = exchange
        timeouts = generation.timeouts
        self.deadline = 0.0 if exchange.body_done or not timeouts.request else started + timeouts.request
        self.last_activity = started
        generation.run(exchange)
        return True

    def _read(self, block: bytes) -> tuple[Request, Generation]:
        listener = self._listener
        generation = listener.generation
        line, _, fields = block.partition(b"\r\n")
        method, raw_target = parse_request_line(line)
        head = self._head(fields, generation)
        if method == "CONNECT":
            raise HeadError(405, "no tunnel is offered here")
        target = parse_target(method, raw_target, head, generation.target_rules)
        return Request(listener.new_request_id(), method, listener.scheme, target, head, self.peer), generation

    def _head(self, fields: bytes, generation: Generation) -> Head:
        remembered = self._memo.get(fields)
        if remembered is not None and remembered[0] == generation.number:
            return remembered[1]
        head = parse_head(fields, generation.head_rules)
        if len(fields) <= MEMO_BYTES:
            if len(self._memo) >= MEMO_BLOCKS:
                del self._memo[next(iter(self._memo))]
            self._memo[fields] = (generation.number, head)
        return head

    def _refuse(self, error: HeadError) -> None:
        """Answer bytes that are not a request, and end: where the next one would begin is not known."""
        self.closing = True
        self._buffer = b""
        self.write(self._listener.refusal(error.status, error.message))
        self._start_linger()

    def _refuse_body(self, exchange: Http1Exchange, error: HeadError) -> None:
        if exchange.status:
            self.abort()
            return
        exchange.status = error.status
        exchange.details = "request_body_malformed"
        self._exchange = None
        exchange.lost()
        self._listener.finished(exchange)
        self._refuse(error)

    def exchange_answered(self, exchange: Http1Exchange, close: bool) -> None:
        """The answer is written in full."""
        self.unthrottle()
        self._listener.finished(exchange)
        if self._exchange is not exchange:
            return
        self.closing = self.closing or close
        if self.closing:
            self._exchange = None
            self._start_linger(drain=not exchange.body_done)
        elif exchange.body_done:
            self._next()
        else:
            self.resume()
            self._advance()

    def _next(self) -> None:
        """Both halves of the exchange are over: the connection is free."""
        self._exchange = None
        self.deadline = self._listener.now() + self._listener.generation.timeouts.idle
        self.resume()
        self._advance()

    # -- output, and its end

    def write(self, data: bytes) -> None:
        transport: Any = self.transport
        transport.write(data)

    def has_buffered(self) -> bool:
        return bool(self._buffer)

    def throttle(self, producer: IPushProducer) -> None:
        self._throttled = True
        transport: Any = self.transport
        transport.registerProducer(producer, True)

    def unthrottle(self) -> None:
        if self._throttled:
            self._throttled = False
            transport: Any = self.transport
            transport.unregisterProducer()

    def pause(self) -> None:
        if not self._paused:
            self._paused = True
            transport: Any = self.transport
            transport.pauseProducing()

    def resume(self) -> None:
        if self._paused:
            self._paused = False
            transport: Any = self.transport
            transport.resumeProducing()
        if self._buffer:
            self._advance()

    def _start_linger(self, *, drain: bool = True) -> None:
        """Close once the client has had time to read the answer (RFC 9112 §9.6)."""
        transport: Any = self.transport
        if not drain and not self._buffer:
            transport.loseConnection()
            return
        self._buffer = b""
        self._lingered = 0
        self.deadline = self._listener.now() + LINGER_SECONDS
        self._paused = True
        self.resume()
        if self._listener.scheme == "http":
            transport.loseWriteConnection()
        else:
            transport.loseConnection()  # TLS has no half-close: its close_notify ends both directions

    def _linger(self, count: int) -> None:
        self._lingered += count
        if self._lingered > MAX_LINGER_BYTES:
            self.abort()

    def abort(self) -> None:
        transport: Any = self.transport
        transport.abortConnection()

    def expired(self, now: float) -> None:
        """The sweep found the deadline passed."""
        exchange = self._exchange
        if exchange is not None and not exchange.status and not exchange.body_done:
            self._refuse_body(exchange, HeadError(408, "the request took too long to arrive"))
        elif exchange is None and self._buffer and self._lingered < 0:
            self._refuse(HeadError(408, "the request head took too long to arrive"))
        else:
            self.abort()

    def drain(self) -> None:
        """Finish the present exchange, take no further ones."""
        self.closing = True
        if self._exchange is None and self._lingered < 0:
            transport: Any = self.transport
            transport.loseConnection()

