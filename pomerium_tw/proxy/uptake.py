"""Whether a client takes what was written for it fast enough to be waited for (spec/threats DO-03)."""

from __future__ import annotations

from typing import Any

from ..transport import unsent
from .body_rate import MIN_BODY_RATE

FLUSH_SECONDS = 60.0
"""How often a client that reads slowly is looked at, and how long one that takes nothing is waited for."""
MIN_TAKEN = int(MIN_BODY_RATE * FLUSH_SECONDS)
"""Bytes that a client has to take in that time: as many as it has to send of a body by default."""


class Uptake:
    """Looks at one client, once in a while: what is written for it costs nothing."""

    __slots__ = ("_left",)

    def __init__(self, transport: Any) -> None:
        self._left = unsent(transport)

    def goes_on(self, transport: Any) -> bool:
        """Whether enough was taken since the last look.

        More left than before is an answer that still came in as reading slowed: it counts from now.
        """
        before, self._left = self._left, unsent(transport)
        return self._left > before or before - self._left >= MIN_TAKEN
