"""How a client's connection ends: what was written is read first, in a bounded time (RFC 9112 §9.6)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from twisted.internet.interfaces import IPushProducer
from twisted.internet.protocol import Protocol

from .last_answer import SOON_TAKEN_SECONDS, TAKEN_SECONDS, LastAnswer
from .uptake import FLUSH_SECONDS, Uptake

if TYPE_CHECKING:
    from .http1 import Http1Exchange
    from .listener import Listener

LINGER_SECONDS = 5.0
"""Longest that a client which sends nothing more may take to read the last answer."""
SENDING_SECONDS = 30.0
"""Longest that one may which still sends, and is read away: many clients read no answer before all is sent.

As long as nginx waits for them. Reading away costs less than passing on would.
"""


class ClosingConnection(Protocol):
    """What a client's connection is made of, and its end."""

    # An idle connection holds no more than what differs from these.
    _ready = False
    """Nothing is under way, and nothing waits: what arrives begins a request."""
    _buffer = b""
    _exchange: Http1Exchange | None = None
    _producer: IPushProducer | None = None
    """The flow of the present answer."""
    _paused = False
    """We do not read."""
    _clogged = False
    """The client does not read."""
    _uptake: Uptake | None = None
    """What the client takes of its answers: while it reads slowly, once it sends no more, at the end."""
    _read_closed = False
    """The client sends no more."""
    _last: LastAnswer | None = None
    """Its last answer, not logged yet: the client may have left before it."""
    _ended = False
    """Nothing more is answered."""
    _reading_away_until = 0.0
    """The client still sends what nobody wants (seconds since the epoch)."""
    closing = False
    """The connection ends after the present answer."""
    deadline = 0.0
    """When the listener's sweep looks at this connection (seconds since the epoch); 0 is never."""

    write: Callable[[bytes], None]
    """The transport's own."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener

    def _deadline_in(self, seconds: float) -> None:
        self.deadline = self._listener.now() + seconds

    def writeConnectionLost(self) -> None:
        """We closed our side: the client is waited for."""

    def has_buffered(self) -> bool:
        return bool(self._buffer)

    def throttle(self, producer: IPushProducer) -> None:
        self._producer = producer
        if self._clogged:
            producer.pauseProducing()

    def unthrottle(self) -> None:
        self._producer = None

    def stopProducing(self) -> None:
        """The connection is lost, which :meth:`connectionLost` is told as well."""

    def _end(self, *, drain: bool) -> None:
        """Close once what was written is read.

        ``drain``: the client may still be sending; it gets time to read the answer (RFC 9112 §9.6). So does
        one that has sent more than was looked at: closing with bytes unread is a reset.
        """
        drain = drain or self._paused or bool(self._buffer)
        self._exchange = self._producer = None
        self._buffer = b""
        self._ready = False
        self.closing = self._ended = True
        linger = drain and not self._clogged
        if linger:
            self._read_away()
        else:
            self._deadline_in(FLUSH_SECONDS)
            self._reading_away_until = 0.0
        transport: Any = self.transport
        transport.unregisterProducer()
        if self._paused:
            self._paused = False
            transport.resumeProducing()
        if self._last is not None:
            # Closing the rest as well would hide whether the answer is taken.
            self._deadline_in(TAKEN_SECONDS)
            self._listener.call_later(SOON_TAKEN_SECONDS, self._look_soon)
            transport.loseWriteConnection()
        elif drain and not self._read_closed:
            # Over TLS too: close_notify ends one direction (RFC 8446 §6.1).
            transport.loseWriteConnection()
        else:
            transport.loseConnection()
        self._uptake = Uptake(transport)

    def _look_soon(self) -> None:
        """A first look at what became of the last answer, before the sweep's."""

    def _read_away(self) -> None:
        """From now on nobody wants what the client sends."""
        self._reading_away_until = self._listener.now() + SENDING_SECONDS
        self._deadline_in(LINGER_SECONDS)

    def _discard(self) -> None:
        """Bytes came that nobody wants."""
        if self._reading_away_until and self._last is None:
            self.deadline = min(self._listener.now() + LINGER_SECONDS, self._reading_away_until)

    def abort(self) -> None:
        self._ended = True
        self._ready = False
        self._buffer = b""
        transport: Any = self.transport
        transport.abortConnection()

    def exchange_reset(self, exchange: Http1Exchange) -> None:
        """The answer cannot be completed. Its framing shows the client that it has a part of it only.

        Answers before it are delivered: a reset would make the client's system throw them away unread.
        """
        self._give_up(exchange)
        self._end(drain=not exchange.body_done)

    def _give_up(self, exchange: Http1Exchange) -> None:
        self._exchange = None
        exchange.lost()
        self._listener.finished(exchange)

    def part(self, details: str) -> None:
        """As :meth:`cut`, but an answer that has begun is delivered as far as it was written.

        Whoever hears events gets the last of them, and asks again: a reset would throw away what is unread.
        """
        exchange = self._exchange
        held = self._ended or self._clogged or self._paused or self._buffer
        if exchange is not None and exchange.status and exchange.body_done and not held:
            exchange.details = details
            exchange.reset()
        else:
            self.cut(details)

    def cut(self, details: str) -> None:
        """End at once; ``details`` is what the log says of an exchange that is not answered."""
        exchange = self._exchange
        if exchange is not None and not exchange.answered:
            exchange.details = details
            self._give_up(exchange)
        self.abort()
