"""HTTP/1.1 towards the client: requests in order, bodies both ways, a deadline for everything (RFC 9112)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twisted.internet.interfaces import IPushProducer
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from ..model import Head, Request
from .chunked import ChunkError
from .head import MAX_HEAD_BYTES, HeadError, incomplete_fault, parse_head
from .http1 import Http1Exchange
from .target import parse_request_line, parse_target

if TYPE_CHECKING:
    from .generation import Generation
    from .listener import Listener

MAX_BUFFERED = 64 * 1024
"""Bytes of body or of further requests held per connection before reading pauses."""
MAX_DISCARDED = 1024 * 1024
"""Bytes read away after the last answer, so that the client sees it; after them it is left to wait."""
LINGER_SECONDS = 5.0
"""Longest that a client may take to read the last answer while it still sends."""
FLUSH_SECONDS = 60.0
"""Longest that a client may take to read what was written before the connection ends."""
MEMO_BLOCKS = 4
"""Header blocks remembered per connection: a client repeats its own, and can evict nobody else's."""
MEMO_BYTES = 16 * 1024
"""Longer blocks are not remembered."""
_NOT_OFFERED = frozenset(("CONNECT", "TRACE"))
"""No tunnels yet; and an upstream's echo would show the client what only the upstream may see."""


@implementer(IPushProducer)
class DownstreamConnection(Protocol):
    """One client connection. Pipelined requests are answered one after the other, in order.

    It is its transport's producer throughout: a client that does not read its answers gets no further request
    looked at, and stops the flow of the present answer.
    """

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._buffer = b""
        self._scanned = 0
        """How much of an unfinished head was looked at already."""
        self._exchange: Http1Exchange | None = None
        self._producer: IPushProducer | None = None
        self._advancing = False
        self._paused = False
        self._body_held = False
        self._clogged = False
        self._ended = False
        self._discarded = 0
        self._memo: dict[bytes, tuple[int, Head]] = {}
        self.closing = False
        """The connection ends after the present answer."""
        self.deadline = 0.0
        """When the listener's sweep ends this connection (seconds since the epoch); 0 is never."""

    # -- connection

    def connectionMade(self) -> None:
        self._listener.opened(self)
        self.peer = self._listener.peer_of(self.transport)
        # The first request has to come soon; over TLS the handshake is part of that (spec/threats TL-08).
        self.deadline = self._listener.now() + self._listener.generation.timeouts.head
        transport: Any = self.transport
        transport.registerProducer(self, True)

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: ARG002 (Twisted's signature)
        self._listener.lost(self)
        self._ended = True
        exchange, self._exchange, self._producer = self._exchange, None, None
        self._buffer = b""
        if exchange is not None and not exchange.answered:
            exchange.details = "downstream_remote_disconnect"
            exchange.lost()
            self._listener.finished(exchange)

    def dataReceived(self, data: bytes) -> None:
        exchange = self._exchange
        if self._ended:
            self._discard(len(data))
            return
        if exchange is None or self._buffer or self._body_held or not exchange.wants_body():
            self._buffer = self._buffer + data if self._buffer else data
        else:
            self._take_body(exchange, data)
        self._advance()

    # -- requests

    def _advance(self) -> None:
        """Work through the buffer until bytes, an answer, or room for an answer are missing."""
        if self._advancing:
            return
        self._advancing = True
        try:
            while self._buffer and not self._ended:
                exchange = self._exchange
                if exchange is None:
                    if self.closing or self._clogged or not self._next_request():
                        break
                elif exchange.wants_body() and not self._body_held:
                    data, self._buffer = self._buffer, b""
                    self._take_body(exchange, data)
                else:
                    break
        finally:
            self._advancing = False
        self._regulate()

    def _regulate(self) -> None:
        """Read on, unless what was read already has to wait."""
        waiting = len(self._buffer) > MAX_BUFFERED and (self._exchange is not None or self._clogged)
        paused = waiting or self._body_held
        if paused is not self._paused and not self._ended:
            self._paused = paused
            transport: Any = self.transport
            if paused:
                transport.pauseProducing()
            else:
                transport.resumeProducing()

    def _take_body(self, exchange: Http1Exchange, data: bytes) -> None:
        try:
            self._buffer = exchange.body_received(data)
        except ChunkError as error:
            self._refuse_body(exchange, HeadError(400, str(error)), "request_body_malformed")
            return
        if exchange.body_done and self._exchange is exchange:
            self.deadline = 0.0
            if exchange.answered:
                self._next()

    def _next_request(self) -> bool:
        """Begin the next request in the buffer; False when it is not all there or was refused."""
        buffer = self._buffer
        # One empty line before a request is tolerated (RFC 9112 §2.2).
        begin = 2 if buffer.startswith(b"\r\n") else 0
        end = buffer.find(b"\r\n\r\n", max(begin, self._scanned - 3))
        started = self._listener.now()
        try:
            if end < 0:
                self._unfinished(buffer, begin, started)
                return False
            if end - begin > MAX_HEAD_BYTES:
                raise HeadError(431, "the request head is too large")
            self._scanned = 0
            self._buffer = buffer[end + 4 :]
            request, generation = self._read(buffer[begin : end + 2])
        except HeadError as error:
            self._refuse(error)
            return False
        exchange = Http1Exchange(self, request, generation, started)
        self._exchange = exchange
        limit = generation.timeouts.request
        self.deadline = 0.0 if exchange.body_done or not limit else started + limit
        generation.run(exchange)
        return True

    def _unfinished(self, buffer: bytes, begin: int, now: float) -> None:
        """Refuse what can never become a head, and set the time by which the rest has to be here."""
        fault = incomplete_fault(buffer, self._scanned)
        if fault is not None:
            raise fault
        line_end = buffer.find(b"\r\n", begin, len(buffer))
        if line_end >= 0 and self._scanned < line_end + 2:
            parse_request_line(buffer[begin:line_end])
        if not self._scanned:
            self.deadline = now + self._listener.generation.timeouts.head
        self._scanned = len(buffer)

    def _read(self, block: bytes) -> tuple[Request, Generation]:
        listener = self._listener
        generation = listener.generation
        line, separator, fields = block.partition(b"\r\n")
        try:
            method, raw_target = parse_request_line(line)
        except HeadError as error:
            if error.status == 426 and b"\r\ntransfer-encoding:" in separator + fields.lower():
                # HTTP/1.0 does not know it: where the request ends depends on the reader (RFC 9112 §6.1).
                raise HeadError(400, "HTTP/1.0 has no Transfer-Encoding") from None
            raise
        head = self._head(fields, generation)
        if method in _NOT_OFFERED:
            raise HeadError(405, f"{method} is not offered here")
        target = parse_target(method, raw_target, head, generation.target_rules)
        request = Request(listener.new_request_id(), method, listener.scheme, target, head, self.peer)
        return request, generation

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
        self.write(self._listener.refused(error, self.peer))
        self._end(drain=True)

    def _refuse_body(self, exchange: Http1Exchange, error: HeadError, details: str) -> None:
        exchange.details = details
        if exchange.status:
            self.exchange_reset(exchange)
            return
        exchange.status = error.status
        self._exchange = None
        exchange.lost()
        self._listener.finished(exchange)
        self.write(self._listener.refusal(error, exchange.request.id))
        self._end(drain=True)

    # -- the present exchange

    def exchange_answered(self, exchange: Http1Exchange, close: bool) -> None:
        """The answer is written in full. ``close``: the connection has to end with it."""
        self._producer = None
        self._listener.finished(exchange)
        self.closing = self.closing or close
        if exchange.body_done:
            self._next()
        elif self.closing:
            self._end(drain=True)
        else:
            self._body_held = False
            self._advance()  # reads the rest of the body away

    def exchange_reset(self, exchange: Http1Exchange) -> None:
        """The answer cannot be completed: the client must not take what it has for all of it."""
        self._exchange = None
        exchange.lost()
        self._listener.finished(exchange)
        self.abort()

    def _next(self) -> None:
        """Both halves of the exchange are over: the connection is free."""
        self._exchange = None
        self._body_held = False
        if self.closing:
            self._end(drain=bool(self._buffer))
            return
        self.deadline = self._listener.now() + self._listener.generation.timeouts.idle
        self._advance()

    def has_buffered(self) -> bool:
        return bool(self._buffer)

    def hold_body(self, exchange: Http1Exchange) -> None:
        """Stop the flow of the request's body."""
        if exchange is self._exchange and not exchange.body_done:
            self._body_held = True
            self._regulate()

    def release_body(self, exchange: Http1Exchange) -> None:
        if exchange is self._exchange:
            self._body_held = False
            self._advance()

    # -- output

    def write(self, data: bytes) -> None:
        transport: Any = self.transport
        transport.write(data)

    def throttle(self, producer: IPushProducer) -> None:
        self._producer = producer
        if self._clogged:
            producer.pauseProducing()

    def unthrottle(self) -> None:
        self._producer = None

    def pauseProducing(self) -> None:
        """The client reads slower than it is answered."""
        self._clogged = True
        if self._producer is not None:
            self._producer.pauseProducing()

    def resumeProducing(self) -> None:
        self._clogged = False
        if self._producer is not None:
            self._producer.resumeProducing()
        self._advance()

    def stopProducing(self) -> None:
        """The connection is lost, which :meth:`connectionLost` is told as well."""

    # -- the end

    def _end(self, *, drain: bool) -> None:
        """Close once what was written is read.

        ``drain``: the client may still be sending; it gets time to read the answer (RFC 9112 §9.6).
        """
        self._exchange = self._producer = None
        self._buffer = b""
        self.closing = self._ended = True
        linger = drain and not self._clogged
        self.deadline = self._listener.now() + (LINGER_SECONDS if linger else FLUSH_SECONDS)
        transport: Any = self.transport
        transport.unregisterProducer()
        if self._paused:
            self._paused = False
            transport.resumeProducing()
        if drain and self._listener.scheme == "http":
            transport.loseWriteConnection()
        else:
            # TLS has no half-close: its close_notify goes out, and the other side's is waited for.
            transport.loseConnection()

    def _discard(self, count: int) -> None:
        self._discarded += count
        if self._discarded > MAX_DISCARDED and not self._paused:
            self._paused = True
            transport: Any = self.transport
            transport.pauseProducing()

    def abort(self) -> None:
        self._ended = True
        self._buffer = b""
        transport: Any = self.transport
        transport.abortConnection()

    def expired(self, now: float) -> None:  # noqa: ARG002 (Waiting's signature)
        """The sweep found the deadline passed."""
        exchange = self._exchange
        if self._ended:
            self.abort()
        elif exchange is None:
            if self._buffer and not self._clogged:
                self._refuse(HeadError(408, "the request head took too long to arrive"))
            else:
                self._end(drain=False)
        elif exchange.answered:
            self.abort()
        else:
            error = HeadError(408, "the request took too long to arrive")
            self._refuse_body(exchange, error, "request_timeout")

    def cut(self, details: str) -> None:
        """End at once; ``details`` is what the log says of an exchange that is not answered."""
        exchange = self._exchange
        if exchange is not None and not exchange.answered:
            exchange.details = details
            self.exchange_reset(exchange)
        else:
            self.abort()

    def drain(self) -> None:
        """Finish the present exchange, take no further ones."""
        self.closing = True
        if self._exchange is None and not self._ended:
            self._end(drain=False)
            if self._listener.scheme == "https":
                # A pooled connection may leave our close_notify unanswered until its next use.
                transport: Any = self.transport
                transport.transport.loseConnection()
