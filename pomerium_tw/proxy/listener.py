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
from ..pages import bare_reply
from ..telemetry import Access, AccessLog
from .downstream import DownstreamConnection
from .exchange import IExchange
from .finish import Finish, status_line
from .generation import Generation
from .head import HeadError
from .sweep import Sweep

log = Logger("pomerium.proxy")

MAX_CONNECTIONS = 50_000
"""Most client connections of one listener (spec/proxy §3.6)."""
_ID_BATCH = 256
_REFUSAL_LINES = {
    405: b"Connection: close\r\nAllow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r\n",
    426: b"Connection: close, upgrade\r\nUpgrade: HTTP/1.1\r\n",
}
"""What RFC 9110 (§15.5.6, §15.5.22) asks of these refusals."""


class RequestIds:
    """UUIDs of version 4 (RFC 9562 §5.4), from randomness drawn in batches: system calls cost the most."""

    def __init__(self, random: Callable[[int], bytes] = os.urandom) -> None:
        self._random = random
        self._hex = ""
        self._at = 0

    def __call__(self) -> str:
        at = self._at
        if at >= len(self._hex):
            self._hex = self._random(16 * _ID_BATCH).hex()
            at = 0
        self._at = at + 32
        h = self._hex
        # The version digit is 4; the variant's two bits come from a table of its digit.
        variant = "89ab"[int(h[at + 16], 16) & 3]
        front = f"{h[at : at + 8]}-{h[at + 8 : at + 12]}-4{h[at + 13 : at + 16]}"
        return f"{front}-{variant}{h[at + 17 : at + 20]}-{h[at + 20 : at + 32]}"


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
    ) -> None:
        self.generation = generation
        self.scheme = scheme
        self.now = clock.seconds
        self.new_request_id = RequestIds(random)
        self._finish = finish
        self._sweep = sweep
        self._access_log = access_log
        self._connections: set[DownstreamConnection] = set()
        self._drained: Deferred[None] | None = None

    def buildProtocol(self, addr: IAddress | None) -> DownstreamConnection | None:  # noqa: ARG002 (Twisted's signature)
        if len(self._connections) >= MAX_CONNECTIONS:
            log.warn("a connection was refused: {limit} are open", limit=MAX_CONNECTIONS)
            return None
        return DownstreamConnection(self)

    def opened(self, connection: DownstreamConnection) -> None:
        self._connections.add(connection)
        self._sweep.add(connection)
        transport: Any = connection.transport
        if ITCPTransport.providedBy(transport):
            transport.setTcpNoDelay(True)

    def lost(self, connection: DownstreamConnection) -> None:
        self._connections.discard(connection)
        self._sweep.discard(connection)
        if self._drained is not None and not self._connections:
            drained, self._drained = self._drained, None
            drained.callback(None)

    def peer_of(self, transport: Any) -> Peer:
        """The client's address; IPv4 clients of an IPv6 socket count as IPv4, zones are dropped."""
        peer = transport.getPeer()
        address = peer.host.partition("%")[0].removeprefix("::ffff:")
        return Peer(address, peer.port)

    def refused(self, error: HeadError, peer: Peer) -> bytes:
        """Log bytes that are not a request; the answer to them."""
        request_id = self.new_request_id()
        log.info(
            "request refused: {status} {message}",
            status=error.status,
            message=error.message,
            ip=peer.address,
            request_id=request_id,
        )
        return self.refusal(error, request_id)

    def refusal(self, error: HeadError, request_id: str) -> bytes:
        """A whole answer after which the connection ends."""
        reply = bare_reply(error.status, error.message)
        lines = b"".join(name + b": " + value + b"\r\n" for name, value in reply.headers)
        return b"HTTP/1.1 %b\r\n%b%b%bContent-Length: %d\r\nDate: %b\r\nX-Request-Id: %b\r\n\r\n%b" % (
            status_line(error.status),
            _REFUSAL_LINES.get(error.status, b"Connection: close\r\n"),
            lines,
            self.generation.response_lines,
            len(reply.body),
            self._finish.date(),
            request_id.encode(),
            reply.body,
        )

    def finished(self, exchange: IExchange) -> None:
        """Log an exchange that is over."""
        self._access_log.record(
            Access(
                exchange.request,
                exchange.cluster_name,
                exchange.started,
                self.now(),
                exchange.sent,
                exchange.status,
                exchange.details,
            )
        )

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
        """End every connection at once."""
        for connection in tuple(self._connections):
            connection.cut("shutdown")
