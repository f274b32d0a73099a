"""HTTP/1.1 towards the upstream: one request at a time, whose answer must end where it says."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Any
from typing import Protocol as TypingProtocol

from OpenSSL.SSL import Error as SSLError
from service_identity import VerificationError
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IPushProducer
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from .chunked import ChunkedDecoder, ChunkError
from .head import MAX_HEAD_BYTES
from .response import ResponseError, ResponseHead, ResponseRules, parse_response_head

MAX_INTERIM = 10
"""Most 1xx answers before the real one."""
MEMO_HEADS = 4
"""Response heads remembered per connection: an upstream repeats its own within a second."""
MEMO_BYTES = 4 * 1024
"""Longer heads are not remembered."""


class Fault(Enum):
    """Why an answer will not complete."""

    UNTOUCHED = "the connection ended before a byte of the answer"
    BROKEN = "the connection ended within the answer"
    MALFORMED = "the answer is not good HTTP"
    TLS = "no TLS connection could be made"


class Answer(TypingProtocol):
    """Who takes an upstream's answer."""

    def answer_head(self, head: ResponseHead, data: bytes, end: bool) -> None: ...

    def answer_data(self, data: bytes, end: bool) -> None: ...

    def answer_failed(self, fault: Fault, error: str) -> None:
        """The answer will not complete. ``error`` is for the log."""


@implementer(IPushProducer)
class UpstreamConnection(Protocol):
    """As a producer, it is the flow of the answer's body."""

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
        self._answer: Answer | None = None
        self._head: ResponseHead | None = None
        self._decoder: ChunkedDecoder | None = None
        self._left = -1
        self._surplus = b""
        self._buffer = b""
        self._interim = 0
        self._no_body = False
        self._sending = False
        self._paused = False
        self.used = 0
        """Requests that this connection has carried."""
        self.alive = False

    def connectionMade(self) -> None:
        self.alive = True

    # -- the request

    def send(self, answer: Answer, head: bytes, *, no_body: bool, more: bool) -> None:
        """Begin a request.

        ``no_body``: the answer has none whatever it says (HEAD). ``more``: body bytes follow.
        """
        self._answer = answer
        self._head = None
        self._interim = 0
        self._no_body = no_body
        self._sending = more
        self.used += 1
        self.write(head)

    def write(self, data: bytes) -> None:
        transport: Any = self.transport
        transport.write(data)

    def sent(self) -> None:
        """The request's body is complete."""
        self._sending = False
        if self._answer is None and self.alive:
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
        answer = self._answer
        if answer is None:
            # Bytes that nobody asked for: whatever they answer, it is not our next request (SM-23).
            self.abort()
            return
        try:
            if self._head is None:
                self._head_received(answer, self._buffer + data if self._buffer else data)
            else:
                body, end = self._body(data)
                if body or end:
                    if end:
                        self._free()
                    answer.answer_data(body, end)
        except (ResponseError, ChunkError) as error:
            self._fail(Fault.MALFORMED, str(error))

    def _head_received(self, answer: Answer, data: bytes) -> None:
        end = data.find(b"\r\n\r\n")
        if end < 0:
            if len(data) > MAX_HEAD_BYTES:
                raise ResponseError("the answer's head is too large")
            self._buffer = data
            return
        block, rest = data[: end + 2], data[end + 4 :]
        self._buffer = b""
        head = self._memo.get(block) or self._parse(block)
        if head.status < 200:
            self._interim += 1
            if head.status == 101 or self._interim > MAX_INTERIM:
                raise ResponseError("an upgrade that nobody asked for, or too many interim answers")
            if rest:
                self._head_received(answer, rest)
            return
        body, done = self._begin_body(head, rest)
        self._head = head
        if done:
            self._free()
        answer.answer_head(head, body, done)

    def _parse(self, block: bytes) -> ResponseHead:
        head = parse_response_head(block, self._rules)
        if len(block) <= MEMO_BYTES:
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
        if self._surplus and not bodiless and not self._surplus.startswith(b"HTTP/1."):
            raise ResponseError("the answer is longer than it says")
        return begun

    def _body(self, data: bytes) -> tuple[bytes, bool]:
        """Body bytes in ``data``, and whether the body ends with them."""
        if self._decoder is not None:
            body = self._decoder.feed(data)
            self._surplus = self._decoder.rest
            return body, self._decoder.finished
        if self._left < 0:
            return data, False
        body, self._surplus = data[: self._left], data[self._left :]
        self._left -= len(body)
        return body, not self._left

    def _free(self) -> None:
        """The answer is complete: back to the pool, or away."""
        head, self._head, self._answer = self._head, None, None
        if self._surplus:
            # More than was announced: what was is passed on, and the connection never used again (SM-22).
            self.abort()
        elif head is None or not head.reusable:
            self.close()
        elif self.alive:
            if self._paused:
                # Free connections read on: that is how they notice that the upstream closes them.
                self.resumeProducing()
            if not self._sending:
                self._idle(self)

    def _fail(self, fault: Fault, error: str) -> None:
        answer, self._answer = self._answer, None
        self.abort()
        if answer is not None:
            answer.answer_failed(fault, error)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.alive = False
        self._lost(self)
        answer, self._answer = self._answer, None
        if answer is None:
            return
        error = reason.getErrorMessage()
        if self._head is not None:
            if self._left < 0 and self._decoder is None and reason.check(ConnectionDone):
                answer.answer_data(b"", True)  # an answer without a length ends with its connection
            else:
                answer.answer_failed(Fault.BROKEN, error)
        elif reason.check(SSLError, VerificationError):
            answer.answer_failed(Fault.TLS, error or repr(reason.value))
        else:
            answer.answer_failed(Fault.BROKEN if self._buffer or self._interim else Fault.UNTOUCHED, error)

    def close(self) -> None:
        self.alive = False
        transport: Any = self.transport
        transport.loseConnection()

    def abort(self) -> None:
        """End at once; nothing is reported to the answer's taker."""
        self.alive = False
        self._answer = None
        transport: Any = self.transport
        transport.abortConnection()

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
