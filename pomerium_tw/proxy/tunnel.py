"""Two connections joined after an upgrade: bytes both ways, neither side ahead of the other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IPushProducer
from twisted.protocols.tls import TLSMemoryBIOProtocol
from twisted.python.failure import Failure
from zope.interface import implementer

from ..transport import unsent
from .exchange import IExchange
from .sweep import Sweep

FLUSH_SECONDS = 60.0
"""Longest that one side of a tunnel may take to read what is left once the other has gone."""
HALF_CLOSED_SECONDS = 300.0
"""Longest silence in a tunnel once one side has sent its last: if it is gone for good, nothing else tells."""
CLOSE_SECONDS = 2.0
"""Longest that the sides may take to read what is left when it is us who end a tunnel."""


@implementer(IPushProducer)
class TunnelEnd:
    """One side of a tunnel. As a producer it is the flow of bytes that its peer sends.

    Whoever owned the connection hands over: its bytes go to :meth:`data_received`, the last of them is told
    to :meth:`read_closed`, its end to :meth:`connection_lost`. All may come before the tunnel opens.
    """

    __slots__ = ("_early", "_fed", "_tunnel", "finished", "gone", "other", "transport")

    other: TunnelEnd

    def __init__(self, tunnel: Tunnel) -> None:
        self._tunnel = tunnel
        self.transport: Any = None
        """None until the tunnel opens."""
        self._early = b""
        """What came before that: as much as its connection had read ahead."""
        self._fed = False
        """The transport has the other end for its producer."""
        self.finished = False
        """Its peer sends no more."""
        self.gone = False
        """The connection is lost."""

    # -- what the connection reports

    def data_received(self, data: bytes) -> None:
        target = self.other.transport
        if target is None:
            self._early += data
        elif not self._tunnel.closing:
            self._tunnel.moved(self, len(data))
            target.write(data)

    def read_closed(self) -> None:
        """The peer sends no more, and may still read."""
        self.finished = True
        if self.transport is not None:
            self._tunnel.half_closed(self)

    def connection_lost(self, reason: Failure) -> None:  # noqa: ARG002 (what was read counts, however it ended)
        self.finished = self.gone = True
        if self.transport is not None:
            self._tunnel.lost(self)

    def close(self, details: str) -> None:
        """Whoever owned the connection wants it to end; ``details`` says why in the access log."""
        self._tunnel.close(details)

    # -- what the tunnel wants of it

    def feed(self) -> None:
        """Let the other end be paused while the peer reads slower than it sends."""
        self._fed = True
        self.transport.registerProducer(self.other, True)

    def _starve(self) -> None:
        """A transport waits for its producer before it ends."""
        if self._fed:
            self._fed = False
            self.transport.unregisterProducer()

    def flow(self) -> None:
        """Begin, with what happened early."""
        early, self._early = self._early, b""
        if early:
            self.data_received(early)
        if self.gone:
            self._tunnel.lost(self)
        elif self.finished:
            self._tunnel.half_closed(self)

    def can_half_close(self) -> bool:
        """Whether the peer can be told that no more comes while it still sends. Twisted's own TLS cannot."""
        return not isinstance(self.transport, TLSMemoryBIOProtocol)

    def half_close(self) -> None:
        self._starve()
        self.transport.loseWriteConnection()

    def end(self) -> None:
        """Close once what was written is read."""
        if not self.gone:
            self._starve()
            self.transport.loseConnection()

    def abort(self) -> None:
        if not self.gone:
            self.transport.abortConnection()

    # -- the flow

    def pauseProducing(self) -> None:
        if not self.finished:
            self.transport.pauseProducing()
            self._tunnel.turned()

    def resumeProducing(self) -> None:
        if not self.finished:
            self.transport.resumeProducing()
            self._tunnel.turned()

    def stopProducing(self) -> None:
        """The other connection is lost, which the tunnel is told as well."""


class Tunnel:
    """Both sides of an exchange after its upgrade. Implements Waiting and Lasting.

    Hand the connections over to :attr:`client` and :attr:`upstream`, then :meth:`open`. It costs less than a
    kilobyte: idle websockets are many.
    """

    __slots__ = (
        "_ended",
        "_idle",
        "_left",
        "_limit",
        "_now",
        "_sweep",
        "client",
        "closing",
        "deadline",
        "exchange",
        "upstream",
    )

    def __init__(
        self,
        exchange: IExchange,
        sweep: Sweep,
        now: Callable[[], float],
        ended: Callable[[Tunnel], None],
    ) -> None:
        """``now``: seconds since the epoch. ``ended``: called once, when both connections are lost."""
        plan = exchange.plan
        assert plan is not None  # noqa: S101 - the route step ran
        self.exchange = exchange
        self._sweep = sweep
        self._now = now
        self._ended: Callable[[Tunnel], None] | None = ended
        self._idle = plan.route.idle_timeout
        limits = [each for each in (plan.route.timeout, exchange.generation.timeouts.stream) if each]
        self._limit = exchange.started + min(limits) if limits else 0.0
        self._left = 0
        """Bytes that the sides had yet to take when one of them last stopped or began to keep up."""
        self.closing = False
        """Nothing more is taken from either side."""
        self.deadline = 0.0
        self.client = TunnelEnd(self)
        self.upstream = TunnelEnd(self)
        self.client.other, self.upstream.other = self.upstream, self.client

    def open(self, client: Any, upstream: Any, head: bytes) -> None:
        """``client``, ``upstream``: their transports, reading, without producers.

        ``head``: what the client gets first.
        """
        self.client.transport, self.upstream.transport = client, upstream
        client.write(head)
        self.client.feed()
        self.upstream.feed()
        self._touch()
        if self.deadline:
            self._sweep.add(self)
        self.client.flow()
        self.upstream.flow()

    # -- what its ends report

    def moved(self, end: TunnelEnd, count: int) -> None:
        """Bytes of ``end`` go to the other side."""
        if end is self.upstream:
            self.exchange.sent += count
        if self._idle:
            self._touch()

    def turned(self) -> None:
        """A side reads slower than it is sent, or has caught up: something else has to move from now on."""
        if self._idle and not self.closing:
            self._left = self._untaken()
            self._touch()

    def half_closed(self, end: TunnelEnd) -> None:
        """``end`` sends no more: the other side is told so, and may go on."""
        if self.closing:
            return
        if end.other.finished or not end.other.can_half_close():
            self._close(FLUSH_SECONDS)
            return
        end.other.half_close()
        self._idle = min(self._idle or HALF_CLOSED_SECONDS, HALF_CLOSED_SECONDS)
        self._touch()
        self._sweep.add(self)

    def lost(self, end: TunnelEnd) -> None:
        if not end.other.gone:
            if not self.closing:
                self._close(FLUSH_SECONDS)
            return
        self._sweep.discard(self)
        ended, self._ended = self._ended, None
        if ended is not None:
            ended(self)

    # -- the end

    def close(self, details: str) -> None:
        """End it from our side; ``details`` says why in the access log."""
        if not self.closing:
            self.exchange.details = details
        self._close(CLOSE_SECONDS)

    def _close(self, seconds: float) -> None:
        """Take no more from either side; what was taken is delivered if it is read in time."""
        self.closing = True
        self.deadline = self._now() + seconds
        self._sweep.add(self)
        self.client.end()
        self.upstream.end()

    def expired(self, now: float) -> None:
        """The sweep found the deadline passed."""
        if self.closing:
            self.deadline = 0.0
            self.client.abort()
            self.upstream.abort()
        elif 0 < self._limit <= now:
            self.close("max_duration_timeout")
        elif self._is_taken():
            self._touch()
        else:
            self.close("stream_idle_timeout")

    def _untaken(self) -> int:
        return unsent(self.client.transport) + unsent(self.upstream.transport)

    def _is_taken(self) -> bool:
        """Whether a side took of what was written before, though nothing came: buffers hold megabytes."""
        before, self._left = self._left, self._untaken()
        return self._left < before

    def _touch(self) -> None:
        """The next deadline: no silence past the idle time-out, nothing at all past the other ones."""
        deadline = self._limit
        if self._idle:
            silent = self._now() + self._idle
            deadline = min(deadline, silent) if deadline else silent
        self.deadline = deadline
