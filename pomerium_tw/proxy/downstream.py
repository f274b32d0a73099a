"""HTTP/1.1 towards the client: requests in order, bodies both ways, a deadline for everything (RFC 9112)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twisted.internet.interfaces import IHalfCloseableProtocol, IPushProducer
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from .body_rate import BodyWait
from .chunked import ChunkError
from .exchange import Receiver
from .failures import BODY_MALFORMED, BODY_TOO_LARGE, CLIENT_GONE
from .head import MAX_HEAD_BYTES, HeadError, incomplete_fault
from .http1 import MAX_DRAINED, BodyTooLargeError, Http1Exchange
from .request_reader import RequestReader
from .target import parse_request_line
from .uptake import FLUSH_SECONDS, Uptake
from .waiting import MEMO_SECONDS, WaitingConnection

if TYPE_CHECKING:
    from .generation import Generation

MAX_BUFFERED = 64 * 1024
"""Bytes of body or of further requests held per connection before reading pauses."""


@implementer(IPushProducer, IHalfCloseableProtocol)
class DownstreamConnection(WaitingConnection):
    """One client connection. Pipelined requests are answered one after the other, in order.

    It is its transport's producer throughout: a client that does not read its answers gets no further request
    looked at, and stops the flow of the present answer.
    """

    _scanned = 0
    """How much of an unfinished head was looked at already."""
    _line_read = False
    """The request line of an unfinished head was."""
    _advancing = False
    _arrived = False
    """The listener will have us :meth:`begin`."""
    _receiver: Receiver | None = None
    """Whose the connection is after an upgrade."""

    # -- connection

    def connectionMade(self) -> None:
        transport: Any = self.transport
        self.write = transport.write
        self._reader = RequestReader(self._listener, self._listener.peer_of(transport))
        self._listener.opened(self)
        # The first request has to come soon; over TLS the handshake is part of that (spec/threats TL-08).
        self.deadline = self._listener.generation.timeouts.head_due(self._listener.now())
        transport.registerProducer(self, True)
        self._ready = True

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._listener.lost(self)
        self._uptake = None  # it knows the exchange, which knows us: a cycle that holds the transport too
        if self._receiver is not None:
            self._receiver.connection_lost(reason)
            return
        self._ended = True
        self._ready = False
        exchange, self._exchange, self._producer = self._exchange, None, None
        self._buffer = b""
        if self._last is not None:
            self._last_over(self._last, reason)
        if exchange is not None and not exchange.answered:
            exchange.details, exchange.flag = CLIENT_GONE, "DC"
            exchange.lost()
            self._listener.finished(exchange)

    def readConnectionLost(self) -> None:
        """The client sends no more: it gets the answers to what it has sent, as long as it takes them."""
        if self._arrived:
            self._listener.begin_arrived()
        self._read_closed = True
        exchange = self._exchange
        if self._receiver is not None:
            self._receiver.read_closed()
            return
        if self._ended:
            # It may still read: what was written is delivered first, within the time that it has for that.
            transport: Any = self.transport
            transport.loseConnection()
        elif exchange is None and not self._buffer:
            self._end(drain=False)
        elif exchange is not None and not exchange.body_done and not self._buffer:
            self._body_broken_off(exchange)
        else:
            self._watch()
            if exchange is None and not self._clogged and not self._yielding:
                self.abort()  # a piece of a head

    def dataReceived(self, data: bytes) -> None:
        if self._ready:
            self._ready = False
            self._arrived = True
            self._buffer = data
            self._listener.arrived(self)
        else:
            self._received(data)

    def begin(self, generation: Generation, now: float) -> Http1Exchange | None:
        """Look at what arrived: the exchange that begins with it, to walk the chain with others."""
        self._arrived = False
        data = self._buffer
        end = data.find(b"\r\n\r\n")
        # One request without a body, whole: nearly all that ever arrives.
        if end + 4 == len(data) and 0 < end <= MAX_HEAD_BYTES and data[0] > 0x20 and not self._clogged:
            self._buffer = b""
            try:
                return self._understand(data[: end + 2], generation, now)
            except HeadError as error:
                self._refuse(error, data)
        else:
            self._advance(first=True)
            if self.closing and self._exchange is None and not self._ended:
                self._end(drain=True)
        return None

    def _received(self, data: bytes) -> None:
        exchange = self._exchange
        if self._ended:
            self._discard()
            return
        if exchange is None or self._buffer or self._body_held or not exchange.wants_body():
            self._buffer = self._buffer + data if self._buffer else data
        else:
            self._take_body(exchange, data)
        self._advance()

    # -- requests

    def _advance(self, *, first: bool = False) -> None:
        """Work through the buffer until bytes, an answer, or room for an answer are missing.

        ``first``: what is there arrived before the connection was told to end, so one request counts.
        """
        if self._advancing or self._arrived:
            return
        self._advancing = True
        mine = not self._yielding  # one request whenever something comes; others take their turns
        try:
            while self._buffer and not self._ended:
                exchange = self._exchange
                if exchange is None:
                    if self._clogged or (self.closing and not first):
                        break
                    first = False
                    if not (mine or self._may_go_on()):
                        break
                    mine = False
                    if not self._next_request():
                        break
                elif exchange.wants_body() and not self._body_held:
                    data, self._buffer = self._buffer, b""
                    self._take_body(exchange, data)
                else:
                    break
        finally:
            self._advancing = False
        self._regulate()

    def _may_go_on(self) -> bool:
        """Whether another request may begin in this turn of the reactor; if not, it does in one to come."""
        if not self._yielding:
            self._yielding = not self._listener.pipelining.admits(self)
        return not self._yielding

    def go_on(self) -> None:
        self._yielding = False
        try:
            self._advance()
        except Exception:
            self._listener.broken(self)

    def _regulate(self) -> None:
        """Read on, unless what was read already has to wait."""
        busy = self._exchange is not None or self._clogged or self._yielding
        waiting = busy and len(self._buffer) > MAX_BUFFERED
        paused = waiting or self._body_held
        if paused is not self._paused and not self._ended:
            self._paused = paused
            transport: Any = self.transport
            if paused:
                transport.pauseProducing()
            elif not self._read_closed:
                transport.resumeProducing()
        self._ready = (
            not (self._buffer or self._ended or self.closing or self._clogged) and self._exchange is None
        )

    def _body_broken_off(self, exchange: Http1Exchange) -> None:
        """The rest of the request will never come; its answer may be there already."""
        if exchange.answered:
            self._end(drain=False)
        else:
            self.abort()

    def _take_body(self, exchange: Http1Exchange, data: bytes) -> None:
        try:
            # What follows the body is in its place before anybody answers.
            body, self._buffer = exchange.split(data)
            exchange.body_received(body)
        except ChunkError as error:
            self._refuse_body(exchange, BODY_MALFORMED.because(str(error)))
            return
        except BodyTooLargeError:
            self._refuse_body(exchange, BODY_TOO_LARGE)
            return
        if not exchange.body_done:
            if self._read_closed and not self._buffer and not self._ended:
                self._body_broken_off(exchange)
            elif exchange.drained > MAX_DRAINED:
                self._end(drain=True)
            elif exchange.answered:
                self._discard()
        elif self._exchange is exchange:
            self.deadline = 0.0
            if self._clogged:
                self._deadline_in(FLUSH_SECONDS)
            elif self._read_closed:
                self._watch()
            self._body_wait = None
            if exchange.answered:
                self._next()

    def _next_request(self) -> bool:
        """Begin the next request in the buffer; False when it is not all there or was refused."""
        buffer = self._buffer
        # One empty line before a request is tolerated (RFC 9112 §2.2).
        begin = 2 if buffer.startswith(b"\r\n") else 0
        end = buffer.find(b"\r\n\r\n", max(begin, self._scanned - 3))
        try:
            if end < 0:
                self._unfinished(buffer, begin)
                return False
            if end - begin > MAX_HEAD_BYTES:
                raise HeadError(431, "the request head is too large")
            self._scanned = 0
            self._line_read = False
            self._buffer = buffer[end + 4 :]
            self._begin(buffer[begin : end + 2])
        except HeadError as error:
            self._refuse(error, buffer)
            return False
        return True

    def _unfinished(self, buffer: bytes, begin: int) -> None:
        """Refuse what can never become a head, and set the time by which the rest has to be here."""
        fault = incomplete_fault(buffer, self._scanned)
        if fault is not None:
            raise fault
        line_end = -1 if self._line_read else buffer.find(b"\r\n", max(begin, self._scanned - 1))
        if line_end >= 0:
            self._line_read = True
            parse_request_line(buffer[begin:line_end])
        if self._read_closed:
            raise HeadError(400, "the request ends before its head does")
        timeouts = self._listener.generation.timeouts
        if not (self._scanned and timeouts.head):
            self.deadline = timeouts.head_due(self._listener.now())
        self._scanned = len(buffer)

    def _begin(self, block: bytes) -> None:
        """One request. ``block``: its head without the empty line. Raises HeadError."""
        listener = self._listener
        generation = listener.generation
        generation.run((self._understand(block, generation, listener.now()),))

    def _understand(self, block: bytes, generation: Generation, now: float) -> Http1Exchange:
        request = self._reader.read(block, generation)
        exchange = self._exchange = Http1Exchange(self, request, generation, now)
        self._ready = False
        self.deadline = 0.0
        if self._read_closed:
            self._watch()
        if not exchange.body_done:
            timeouts = generation.timeouts
            self._body_wait = BodyWait(exchange.started, timeouts.request, timeouts.body_rate)
            self.deadline = self._body_wait.look_at(held=False)
        return exchange

    # -- the present exchange

    def _next(self) -> None:
        """The exchange is over: the next one, or waiting for it."""
        self._exchange = self._producer = None
        if self._body_held:
            self._body_held = False
        if self.closing or (self._read_closed and not self._buffer):
            self._end(drain=False)
            return
        self._rested = False
        self.deadline = self._listener.now() + MEMO_SECONDS
        if self._buffer or self._paused:
            self._advance()
        else:
            self._ready = not self._clogged

    def exchange_answered(self, exchange: Http1Exchange, close: bool) -> None:
        """The answer is written in full. ``close``: the connection has to end with it."""
        self._producer = None
        self._answered(exchange)
        if close:
            self.closing = True
        if exchange.body_done:
            self._next()
        elif self.closing:
            self._end(drain=True)
        else:
            self._body_held = False
            self._read_away()
            self._advance()  # reads the rest of the body away

    def hold_body(self, exchange: Http1Exchange) -> None:
        """Stop the flow of the request's body."""
        if exchange is self._exchange and not exchange.body_done:
            self._body_held = True
            if self._body_wait is not None:
                self.deadline = self._body_wait.look_at(held=True)
            self._regulate()

    def release_body(self, exchange: Http1Exchange) -> None:
        if exchange is self._exchange:
            wait = self._body_wait
            if self._body_held and wait is not None:
                wait.resume(self._listener.now(), exchange.received)
                self.deadline = wait.look_at(held=False)
            self._body_held = False
            self._advance()

    def pauseProducing(self) -> None:
        """The client reads slower than it is answered."""
        self._clogged = True
        self._uptake = Uptake(self.transport, self._exchange)
        self._ready = False
        if self._producer is not None:
            self._producer.pauseProducing()
        if self._exchange is None or self._exchange.body_done:
            self._deadline_in(FLUSH_SECONDS)

    def resumeProducing(self) -> None:
        self._clogged = False
        self._uptake = None
        exchange = self._exchange
        if exchange is None:
            self._rested = False
            self._scanned = 0  # a head that has begun has its own time from now on
            self._deadline_in(MEMO_SECONDS)
        elif exchange.body_done:
            self.deadline = 0.0
            if self._read_closed:
                self._watch()
        if self._producer is not None:
            self._producer.resumeProducing()
        self._advance()

    # -- from outside

    def drain(self) -> None:
        """Finish the present exchange, take no further ones."""
        self.closing = True
        self._ready = False
        if self._receiver is not None:
            self._receiver.close("shutdown")  # it would never end by itself
        elif self._exchange is None and not self._ended and not self._arrived:
            self._end(drain=False)

    # -- after an upgrade

    def detach(self, receiver: Receiver) -> Any:
        """Bytes of the client, those that came early first, are ``receiver``'s from now on."""
        transport: Any = self.transport
        early, self._buffer = self._buffer, b""
        self._reader.forget()
        self._ready = False
        self._receiver = receiver
        self.dataReceived = receiver.data_received  # type: ignore[method-assign]  # straight there
        self.deadline = 0.0
        transport.unregisterProducer()
        if self._paused:
            transport.resumeProducing()
        if early:
            receiver.data_received(early)
        if self._read_closed:
            receiver.read_closed()
        return transport

    def exchange_over(self, exchange: Http1Exchange) -> None:
        self._listener.finished(exchange)
