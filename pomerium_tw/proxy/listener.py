"""A listening socket's worth of connections, and what they share."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, Literal

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IAddress, IReactorTime, ITCPTransport
from twisted.internet.protocol import Factory
from twisted.logger import Logger

from ..model import Peer
from ..telemetry import AccessLog
from ..transport import AtTurnEnd, at_once
from .admission import Admission
from .client_address import own_peer
from .downstream import DownstreamConnection
from .exchange import IExchange
from .failures import Failed
from .finish import Finish
from .generation import Generation
from .head import HeadError
from .http1 import Http1Exchange
from .pipelining import Pipelining
from .refusal import refusal
from .sweep import Sweep
from .unrouted import refused, understood

log = Logger("pomerium.proxy")

_ID_BATCH = 256
_FREE_BITS = int("ffffffffffff0fff3fffffffffffffff" * _ID_BATCH, 16)
_FIXED_BITS = int("00000000000040008000000000000000" * _ID_BATCH, 16)


class RequestIds:
    """UUIDs of version 4 (RFC 9562 §5.4), from randomness drawn in batches: system calls cost the most."""

    def __init__(self, random: Callable[[int], bytes] = os.urandom) -> None:
        self._random = random
        self._drawn: list[str] = []

    def __call__(self) -> str:
        if not self._drawn:
            # Version and variant of all of them in one go.
            drawn = int.from_bytes(self._random(16 * _ID_BATCH), "big") & _FREE_BITS | _FIXED_BITS
            text = f"{drawn:0{32 * _ID_BATCH}x}"
            self._drawn = [
                f"{text[at : at + 8]}-{text[at + 8 : at + 12]}-{text[at + 12 : at + 16]}-"
                f"{text[at + 16 : at + 20]}-{text[at + 20 : at + 32]}"
                for at in range(0, len(text), 32)
            ]
        return self._drawn.pop()


class Listener(Factory):
    """Makes and keeps client connections; each request gets the generation that is current as it arrives."""

    noisy = False

    def __init__(  # noqa: PLR0917 (built in one place)
        self,
        generation: Generation,
        finish: Finish,
        sweep: Sweep,
        access_log: AccessLog,
        clock: IReactorTime,
        scheme: Literal["http", "https"],
        random: Callable[[int], bytes] = os.urandom,
        admission: Admission | None = None,
        at_turn_end: AtTurnEnd = at_once,
    ) -> None:
        """``admission``: shared with the other listeners of the process. ``at_turn_end``: when requests that
        arrived together are handled.
        """
        self.generation = generation
        self.scheme = scheme
        self.now = clock.seconds
        self.call_later = clock.callLater
        self.pipelining = Pipelining(clock)
        self.new_request_id = RequestIds(random)
        self._finish = finish
        self._sweep = sweep
        self._record = access_log.record
        self._record_refused = access_log.record_refused
        self.admission = admission or Admission(clock)
        self._connections: dict[DownstreamConnection, str] = {}
        """Each with the address that it is counted by."""
        self._drained: Deferred[None] | None = None
        self._at_turn_end = at_turn_end
        self._arrived: list[DownstreamConnection] = []
        self._due = False

    def buildProtocol(self, addr: IAddress | None) -> DownstreamConnection | None:
        """None closes the connection, before any handshake."""
        return DownstreamConnection(self) if self.admission.admits(getattr(addr, "host", "")) else None

    def arrived(self, connection: DownstreamConnection) -> None:
        """Have ``connection`` begin what it was sent, together with all that arrives in this turn."""
        self._arrived.append(connection)
        if not self._due:
            self._due = True
            self._at_turn_end(self.begin_arrived)

    def begin_arrived(self) -> None:
        """Begin what has arrived by now."""
        self._due = False
        arrived, self._arrived = self._arrived, []
        generation, now = self.generation, self.now()
        begun = []
        for connection in arrived:
            exchange = self._begin(connection, generation, now)
            if exchange is not None:
                begun.append(exchange)
        if begun:
            generation.run(begun)

    def _begin(
        self, connection: DownstreamConnection, generation: Generation, now: float
    ) -> Http1Exchange | None:
        """None too where that fails: it ends this connection, never those that arrived with it."""
        try:
            return connection.begin(generation, now)
        except Exception:
            self.broken(connection)
            return None

    def broken(self, connection: DownstreamConnection) -> None:
        """Something of ours failed, which is being handled: it ends this connection and nothing else."""
        log.failure("a connection failed")
        try:
            connection.cut("internal_error")
        except Exception:
            log.failure("a connection that failed could not be cut off")

    def opened(self, connection: DownstreamConnection) -> None:
        transport: Any = connection.transport
        address = self.peer_of(transport).address
        self.admission.opened(address)
        self._connections[connection] = address
        self._sweep.add(connection)
        if ITCPTransport.providedBy(transport):
            transport.setTcpNoDelay(True)
            # Whoever vanished without a word is noticed by the system, on tunnels without time-outs too.
            transport.setTcpKeepAlive(True)

    def lost(self, connection: DownstreamConnection) -> None:
        address = self._connections.pop(connection, None)
        if address is not None:
            self.admission.lost(address)
        self._sweep.discard(connection)
        if self._drained is not None and not self._connections:
            drained, self._drained = self._drained, None
            drained.callback(None)

    def peer_of(self, transport: Any) -> Peer:
        """The connection's other end."""
        return own_peer(transport)

    def refused(self, error: HeadError, peer: Peer, asked: bytes) -> bytes:
        """Log bytes that are not a request; the answer to them, after which the connection ends.

        ``asked``: these bytes.
        """
        request_id, now = self.new_request_id(), self.now()
        more = b"Date: %b\r\nX-Request-Id: %b\r\n" % (self._finish.date(), request_id.encode())
        answer = refusal(error, more, asked, self.generation.response_headers)
        request = understood(error, request_id, self.scheme, peer)
        self._record_refused(refused(error, request, answer, now), now)
        return answer

    def failed(self, exchange: IExchange, failed: Failed) -> None:
        """Answer a request that did not come to its end."""
        self._finish.failed(exchange, failed)

    def finished(self, exchange: IExchange, ended: float = 0.0) -> None:
        """Log an exchange that is over. ``ended``: since when (seconds since the epoch); 0 is now."""
        self._record(exchange, ended or self.now())

    def drain(self) -> Deferred[None]:
        """Let every connection end with its present exchange; fires when all have.

        Cancelling gives up waiting.
        """
        if not self._connections:
            return succeed(None)
        drained: Deferred[None] = Deferred(self._stop_waiting)
        self._drained = drained
        for connection in tuple(self._connections):
            connection.drain()
        return drained

    def _stop_waiting(self, _drained: Deferred[None]) -> None:
        self._drained = None

    def abort(self) -> None:
        """End every connection now."""
        for connection in tuple(self._connections):
            connection.part("shutdown")
