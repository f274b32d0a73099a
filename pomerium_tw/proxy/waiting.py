"""How long a client's connection is waited for: for a request, for the rest of a body, for being read."""

from __future__ import annotations

from typing import Any

from twisted.internet.error import ConnectionDone
from twisted.python.failure import Failure

from ..model import Head, Peer
from ..transport import unsent
from .body_rate import BodyWait
from .client_address import Client, Trust, client_of
from .closing import ClosingConnection
from .failures import CLIENT_GONE, CLIENT_HALF_CLOSED, CLIENT_STALLED, Failed
from .head import HeadError
from .http1 import Http1Exchange
from .last_answer import TAKEN_SECONDS, LastAnswer, Taking
from .request_reader import RequestReader
from .uptake import FLUSH_SECONDS, Uptake

MEMO_SECONDS = 1.0
"""Header blocks are forgotten when a connection was idle for so long: idle connections are many."""
HALF_CLOSED_SECONDS = 60.0
"""How long a client that has closed its own side may take nothing: it may be gone for good.

Or it waits for its answer: which of the two shows when something is written. Routes answer sooner by default.
"""


class WaitingConnection(ClosingConnection):
    """A client's connection with its deadlines, and what is answered when one is over."""

    _reader: RequestReader
    _rested = True
    """Nothing is remembered of requests before; the idle time-out runs."""
    _yielding = False
    """The next request is there, and begins in a turn to come."""
    _body_wait: BodyWait | None = None
    """How long the present body is waited for."""
    _body_held = False
    """It is us who do not read the body."""

    @property
    def peer(self) -> Peer:
        """The connection's other end."""
        return self._reader.peer

    def client_by(self, head: Head, trust: Trust) -> Client:
        """Who asks with ``head``, when ``trust`` says which proxies are believed."""
        return client_of(head, self.peer, self._listener.scheme, trust)

    def forget(self) -> None:
        """Nothing that is remembered of requests will be of use soon."""
        self._reader.forget()

    def expired(self, now: float) -> None:
        """The sweep found the deadline passed."""
        exchange = self._exchange
        waiting_for_body = exchange is not None and not exchange.body_done and not exchange.answered
        if self._last is not None:
            self._look_at_last(self._last, now)
        elif self._uptake is not None and not waiting_for_body and self._uptake.goes_on(self.transport):
            self.forget()
            self._deadline_in(FLUSH_SECONDS)
        elif self._ended:
            self.abort()
        elif exchange is None:
            self._waited(now)
        elif waiting_for_body:
            self._body_waited(exchange, now)
        else:
            # The client takes nothing of its answer, or the rest of its body does not come.
            if not exchange.answered:
                if self._read_closed and not unsent(self.transport):
                    exchange.details, exchange.flag = CLIENT_HALF_CLOSED, "DC"
                else:
                    exchange.details, exchange.flag = CLIENT_STALLED, "SI"
                self._give_up(exchange)
            self.abort()

    # -- clients that send no more

    def _watch(self) -> None:
        """Wait for the client as long as it takes what it is given, now that it sends no more."""
        self._uptake = Uptake(self.transport, self._exchange)
        self._deadline_in(HALF_CLOSED_SECONDS)

    def _answered(self, exchange: Http1Exchange) -> None:
        """Log an answer, unless what comes next shows whether anybody was there to take it."""
        if self._read_closed and exchange.body_done and not self._buffer:
            self._last = LastAnswer(exchange, self._listener.now())
        else:
            self._listener.finished(exchange)

    def _look_soon(self) -> None:
        if self._last is not None:
            self._look_at_last(self._last, self._listener.now())

    def _look_at_last(self, last: LastAnswer, now: float) -> None:
        transport: Any = self.transport
        taking = last.look(transport, now)
        if taking is Taking.UNDER_WAY:
            self._deadline_in(TAKEN_SECONDS)
        elif taking is Taking.TAKEN:
            transport.loseConnection()
        else:
            if taking is Taking.STALLED:
                last.exchange.details, last.exchange.flag = CLIENT_STALLED, "SI"
            self.abort()

    def _last_over(self, last: LastAnswer, reason: Failure) -> None:
        """The connection is lost: whether the last answer was still taken is known."""
        self._last = None
        exchange = last.exchange
        if not (exchange.flag or reason.check(ConnectionDone)):
            exchange.details, exchange.flag = CLIENT_GONE, "DC"
        self._listener.finished(exchange, last.at)

    # -- what is waited for

    def _waited(self, now: float) -> None:
        """No request is under way."""
        if self._yielding:
            self._deadline_in(MEMO_SECONDS)  # it is us who are waited for
            return
        idle = self._listener.generation.timeouts.idle
        if self._buffer and not self._clogged:
            self._refuse(HeadError(408, "the request head took too long to arrive"), self._buffer)
        elif not (self._clogged or self._rested) and (not idle or idle > MEMO_SECONDS):
            self._rested = True
            self._reader.forget()
            self.deadline = now + idle - MEMO_SECONDS if idle else 0.0
        else:
            self._end(drain=False)

    def _body_waited(self, exchange: Http1Exchange, now: float) -> None:
        wait = self._body_wait
        held = self._body_held or not exchange.wants_body()
        failed = wait.failed(now, exchange.received, held=held) if wait is not None else None
        if failed is not None:
            self._refuse_body(exchange, failed)
        elif wait is not None:
            self.deadline = wait.look_at(held=self._body_held)

    def _refuse(self, error: HeadError, asked: bytes) -> None:
        """Answer bytes that are not a request, and end: where the next one would begin is not known."""
        self.write(self._listener.refused(error, self.peer, asked))
        self._end(drain=True)

    def _refuse_body(self, exchange: Http1Exchange, failed: Failed) -> None:
        """Where the body ends is not known: the connection ends with the answer."""
        self.closing = True
        if not exchange.answered:
            exchange.forsake()
            self._listener.failed(exchange, failed)
        if not self._ended:
            self._end(drain=True)
