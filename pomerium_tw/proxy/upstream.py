"""HTTP/1.1 towards the upstream: one request at a time, whose answer must end where it says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IHalfCloseableProtocol, IPushProducer, ITCPTransport
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from ..transport import limit_next_read
from .answer_sink import AnswerSink
from .chunked import ChunkedDecoder, ChunkError, is_mostly_framing
from .exchange import Receiver
from .failures import MALFORMED, Failed, of_lost_connection
from .head import incomplete_fault
from .response import ResponseError, ResponseHead, ResponseRules, parse_response_head
from .sweep import Sweep
from .trailers import passed_trailers

MAX_INTERIM = 100
"""Most 1xx answers before the real one: who works for long may say so every few seconds."""
MEMO_HEADS = 4
"""Response heads remembered per connection: an upstream repeats its own within a second."""
MEMO_BYTES = 4 * 1024
"""Longer heads are not remembered."""
FREE_SECONDS = 60.0
"""How long a connection is kept without a request, but for two looks of the sweep: what lies between may have
forgotten it by then."""
_BEGIN = b"HTTP/1."
"""Of every answer."""
CLOSE_SECONDS = 60.0
"""How long a connection that we close may take to send what was written; the same two looks come to it."""
_JUST_FREE = 1.0
"""A deadline long past: the next look of the sweep begins to count, and no request asks for the time."""


@implementer(IPushProducer, IHalfCloseableProtocol)
class UpstreamConnection(Protocol):
    """As a producer, it is the flow of the answer's body."""

    # A free connection holds no more than what differs from these.
    deadline = 0.0
    """Of its answer, or of its being kept (seconds since the epoch); 0 is never."""
    used = 0
    """Requests that this connection has carried."""
    alive = False
    _may_be_known = False
    """An answer is awaited of which no byte has come, and which may be like one before."""
    _answer: AnswerSink | None = None
    _head: ResponseHead | None = None
    _decoder: ChunkedDecoder | None = None
    _left = -1
    _surplus = b""
    _begun: bytearray | None = None
    """The head as far as it has come, if it comes in pieces."""
    _interim = 0
    _no_body = False
    _sending = False
    _switching = False
    _paused = False
    _sweep: Sweep | None = None
    _receiver: Receiver | None = None
    """Whose the connection is after an upgrade."""

    def __init__(
        self,
        rules: ResponseRules,
        idle: Callable[[UpstreamConnection], None],
        lost: Callable[[UpstreamConnection], None],
    ) -> None:
        """``rules``: what becomes of the answers' header lines; ``idle``: called when free for a request."""
        self._rules = rules
        self._idle = idle
        self._lost = lost
        self._memo: dict[bytes, ResponseHead] = {}
        """Heads of final answers with their empty line."""

    def connectionMade(self) -> None:
        self.alive = True
        transport: Any = self.transport
        self.write = transport.write
        if ITCPTransport.providedBy(transport):
            transport.setTcpNoDelay(True)
            transport.setTcpKeepAlive(True)

    def watch(self, sweep: Sweep) -> None:
        """Have ``sweep`` look at :attr:`deadline` as long as the connection lives."""
        if self.alive:
            self._sweep = sweep
            sweep.add(self)

    # -- the request

    def send(
        self, answer: AnswerSink, head: bytes, deadline: float, *, no_body: bool, more: bool, switching: bool
    ) -> None:
        """Begin a request.

        ``no_body``: the answer has none whatever it says (HEAD). ``more``: body bytes follow.
        ``switching``: what it asks for is of the connection, not of the request alone: an upgrade, or signing
        in by a scheme that holds from then on. No other request follows it.
        """
        self._answer = answer
        self._may_be_known = not switching
        self._no_body = no_body
        self._sending = more
        self._switching = switching
        self.deadline = deadline
        self.used += 1
        self.write(head)

    def sent(self) -> None:
        """The request's body is complete."""
        self._sending = False
        if self._answer is None and self.alive:
            self.deadline = _JUST_FREE
            self._idle(self)

    def throttle(self, producer: IPushProducer) -> None:
        """Have ``producer`` paused while the upstream reads slower than it writes."""
        transport: Any = self.transport
        transport.registerProducer(producer, True)

    def unthrottle(self) -> None:
        transport: Any = self.transport
        transport.unregisterProducer()

    # -- the answer

    def dataReceived(self, data: bytes) -> None:
        if self._may_be_known:
            self._may_be_known = False
            end = data.find(b"\r\n\r\n") + 4
            known = self._memo.get(data[:end])
            if known is not None and known.length == len(data) - end and not (self._no_body or self._sending):
                # Whole, and its head was seen before: nearly every small answer.
                answer, self._answer = self._answer, None
                self.deadline = _JUST_FREE
                if known.reusable:
                    self._idle(self)
                else:
                    self.close()
                answer.answer_head(known, data[end:], True)  # type: ignore[union-attr]  # one is awaited
                return
        self._received(data)

    def _received(self, data: bytes) -> None:
        answer = self._answer
        if answer is None:
            # Bytes that nobody asked for: whatever they answer, it is not our next request (SM-23).
            self.abort()
            return
        try:
            if self._head is None:
                self._head_received(answer, data)
            else:
                body, end = self._body(data)
                self._deliver(answer, body, end)
        except (ResponseError, ChunkError) as error:
            self._fail(MALFORMED.because(str(error)))

    def _deliver(self, answer: AnswerSink, body: bytes, end: bool) -> None:
        trailers = self._trailers() if end else b""
        if end:
            self._free()
            answer.answer_end(body, trailers)
        elif body:
            answer.answer_data(body)

    def _trailers(self) -> bytes:
        return passed_trailers(self._decoder.trailers, self._rules) if self._decoder is not None else b""

    def _head_received(self, answer: AnswerSink, data: bytes) -> None:
        """A piece of a head, or all of it. No byte is looked at twice, however small the pieces."""
        begun, seen = self._begun, 0
        if begun is not None:
            seen = len(begun)
            begun += data
        end = data.find(b"\r\n\r\n") if begun is None else begun.find(b"\r\n\r\n", max(0, seen - 3))
        if end < 0:
            self._begun = begun = bytearray(data) if begun is None else begun
            # Who speaks another protocol may say no more, and wait for us: nobody waits for that.
            if begun[: len(_BEGIN)] != _BEGIN[: len(begun)] or incomplete_fault(begun, seen):
                raise ResponseError("the answer's head is too large, or not HTTP/1")
            return
        if begun is not None:
            self._begun, data = None, bytes(begun)
        block, rest = data[: end + 4], data[end + 4 :]
        head = self._memo.get(block) or self._parse(block)
        if head.status < 200:
            self._interim_head(answer, block, head, rest)
            return
        body, done = self._begin_body(head, rest)
        self._head = head
        if done and self._decoder is None:
            self._free()
            answer.answer_head(head, body, True)
            return
        answer.answer_head(head, b"", False)
        if body or done:
            self._deliver(answer, body, done)

    def _interim_head(self, answer: AnswerSink, block: bytes, head: ResponseHead, rest: bytes) -> None:
        self._interim += 1
        if head.status == 101:
            if not self._switching or not answer.answer_switched(block[:-2], head, rest):
                raise ResponseError("an upgrade that nobody asked for")
            return
        if self._interim > MAX_INTERIM:
            raise ResponseError("too many interim answers")
        answer.answer_interim()
        if rest:
            self._head_received(answer, rest)

    def _parse(self, block: bytes) -> ResponseHead:
        head = parse_response_head(block[:-2], self._rules)
        if len(block) <= MEMO_BYTES and head.status >= 200:
            if len(self._memo) >= MEMO_HEADS:
                del self._memo[next(iter(self._memo))]
            self._memo[block] = head
        return head

    def _begin_body(self, head: ResponseHead, data: bytes) -> tuple[bytes, bool]:
        self._decoder = None
        self._surplus = b""
        bodiless = self._no_body or head.status in (204, 304)
        if bodiless:
            self._left = 0
        elif head.chunked:
            self._decoder = ChunkedDecoder()
        else:
            self._left = -1 if head.length is None else head.length
        begun = self._body(data)
        # A second answer is dropped (SM-23); but which bytes are the first, if it is longer than it says?
        if self._surplus and not bodiless and not self._surplus.startswith(_BEGIN):
            raise ResponseError("the answer is longer than it says")
        return begun

    def _body(self, data: bytes) -> tuple[bytes, bool]:
        """Body bytes in ``data``, and whether the body ends with them."""
        if self._decoder is not None:
            body = self._decoder.feed(data)
            self._surplus = self._decoder.rest
            if is_mostly_framing(data, body):
                limit_next_read(self.transport)
            return body, self._decoder.finished
        if self._left < 0:
            return data, False
        if len(data) <= self._left:
            self._left -= len(data)
            return data, not self._left
        body, self._surplus = data[: self._left], data[self._left :]
        self._left = 0
        return body, True

    def _free(self) -> None:
        """The answer is complete: back to the pool, or away."""
        head, self._head, self._answer, self._decoder = self._head, None, None, None
        self._interim = 0
        self.deadline = 0.0
        if self._surplus:
            # More than was announced: what was is passed on, and the connection never used again (SM-22).
            self.abort()
        elif head is None or not head.reusable or self._switching:
            # An upstream that was asked for an upgrade may have it half done (SM-24, SS-04); and whoever
            # signed in to a connection would lend their name to the next caller on it.
            self.close()
        elif self.alive:
            if self._paused:
                # Free connections read on: that is how they notice that the upstream closes them.
                self.resumeProducing()
            if not self._sending:
                self.deadline = _JUST_FREE
                self._idle(self)

    def _fail(self, failed: Failed) -> None:
        answer, self._answer = self._answer, None
        self.abort()
        if answer is not None:
            answer.answer_failed(failed, untouched=False)

    def expired(self, now: float) -> None:
        """The sweep found the deadline passed."""
        answer, deadline = self._answer, self.deadline
        self.deadline = 0.0
        if answer is not None:
            answer.expired(now)
        elif deadline == _JUST_FREE:
            self.deadline = now + (FREE_SECONDS if self.alive else CLOSE_SECONDS)
        elif self.alive:
            self.close()
        else:
            self.abort()

    def catch_up(self) -> bool:
        """Read what lies unread on a free connection; whether it is free still.

        Behind an answer that ends where a read did may lie a second one, which is nobody's (SM-23); or the
        upstream's end, which would cost a request that may not be sent twice. Other reactors' transports
        cannot tell.
        """
        look: Callable[[], None] | None = getattr(self.transport, "catch_up", None)
        if look is not None:
            look()
        return self.alive

    # -- the end

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.alive = False
        if self._sweep is not None:
            self._sweep.discard(self)
        self._lost(self)
        if self._receiver is not None:
            self._receiver.connection_lost(reason)
            return
        answer, self._answer = self._answer, None
        if answer is None:
            return
        ends_here = self._head is not None and self._left < 0 and self._decoder is None
        if ends_here and reason.check(ConnectionDone):
            answer.answer_end(b"", b"")  # an answer without a length ends with its connection
            return
        untouched = self._head is None and not self._begun and not self._interim
        answer.answer_failed(of_lost_connection(reason), untouched=untouched)

    def close(self) -> None:
        """End when all that was written is sent, within :data:`CLOSE_SECONDS`."""
        self.alive = False
        self.deadline = _JUST_FREE
        transport: Any = self.transport
        transport.loseConnection()

    def abort(self) -> None:
        """End at once; nothing is reported to the answer's taker."""
        self.alive = False
        self._answer = None
        self._may_be_known = False
        transport: Any = self.transport
        transport.abortConnection()

    def detach(self, receiver: Receiver) -> Any:
        """Bytes of the upstream are ``receiver``'s from now on; the transport to write to."""
        transport: Any = self.transport
        self._answer = None
        self.deadline = 0.0
        self._memo = {}
        self._receiver = receiver
        self.dataReceived = receiver.data_received  # type: ignore[method-assign]  # straight there
        return transport

    def readConnectionLost(self) -> None:
        """The upstream sends no more: all there is to an HTTP connection, and half of one given away."""
        if self._receiver is not None:
            self._receiver.read_closed()
        else:
            transport: Any = self.transport
            transport.connectionLost(Failure(ConnectionDone()))

    def writeConnectionLost(self) -> None:
        """We told the upstream that no more comes: it may still send."""

    def pauseProducing(self) -> None:
        self._paused = True
        transport: Any = self.transport
        transport.pauseProducing()

    def resumeProducing(self) -> None:
        self._paused = False
        transport: Any = self.transport
        transport.resumeProducing()

    def stopProducing(self) -> None:
        self.abort()
