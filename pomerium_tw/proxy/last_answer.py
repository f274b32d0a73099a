"""The answer to a client that had closed its own side by then: did it wait, or was it gone?

A browser's stop and ``shutdown`` after the last request look the same, a FIN (RFC 9293 §3.6): clients of
both kinds are answered. The system of one that has left resets the connection as the answer meets it.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING, Any

from ..transport import broken, unsent
from .uptake import FLUSH_SECONDS, Uptake

if TYPE_CHECKING:
    from .http1 import Http1Exchange

TAKEN_SECONDS = 1.0
"""How often such a connection is looked at: an answer and its receipt cross most networks in that time."""

SOON_TAKEN_SECONDS = 0.02
"""The first look. Clients near by are gone by then: for a second, they would count against their address."""


class Taking(Enum):
    """What became of the answer."""

    TAKEN = auto()
    """The client's system has all of it."""
    REFUSED = auto()
    """It was met by a reset: nobody is there."""
    UNDER_WAY = auto()
    STALLED = auto()
    """Too little of it was taken for too long."""


class LastAnswer:
    """Keeps one exchange, written in full, until it can be said how it ended."""

    __slots__ = ("_judged", "_uptake", "at", "exchange")

    def __init__(self, exchange: Http1Exchange, now: float) -> None:
        self.exchange = exchange
        self.at = now
        """When it was answered, for the access log (seconds since the epoch)."""
        self._judged = 0.0
        self._uptake: Uptake | None = None

    def look(self, transport: Any, now: float) -> Taking:
        """What can be said by ``now``; to be asked every :data:`TAKEN_SECONDS`."""
        if not unsent(transport):
            return Taking.TAKEN
        if broken(transport):
            return Taking.REFUSED
        if self._uptake is None:
            self._judged, self._uptake = now, Uptake(transport)
        elif now >= self._judged + FLUSH_SECONDS:
            self._judged = now
            if not self._uptake.goes_on(transport):
                return Taking.STALLED
        return Taking.UNDER_WAY
