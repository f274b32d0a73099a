"""Whether a client takes what was written for it fast enough to be waited for (spec/threats DO-03)."""

from __future__ import annotations

from typing import Any, Protocol

from ..transport import unsent
from .body_rate import MIN_BODY_RATE

FLUSH_SECONDS = 60.0
"""How often a client that reads slowly is looked at, and how long one that takes nothing is waited for."""
MIN_TAKEN = int(MIN_BODY_RATE * FLUSH_SECONDS)
"""Bytes that a client has to take in that time: as many as it has to send of a body by default."""


class Answering(Protocol):
    """What an answer tells of itself while it is written."""

    sent: int
    """Body bytes written until now."""


class Uptake:
    """Looks at one client, once in a while: what is written for it costs nothing."""

    __slots__ = ("_answer", "_given", "_left")

    def __init__(self, transport: Any, answer: Answering | None = None) -> None:
        """``answer``: the one under way, if any."""
        self._left = unsent(transport)
        self._answer = answer
        self._given = answer.sent if answer is not None else 0

    def goes_on(self, transport: Any) -> bool:
        """Whether enough was taken since the last look; all that there was is enough.

        More left than before is an answer that still came in as reading slowed: it counts from now.
        """
        before, self._left = self._left, unsent(transport)
        given = 0
        if self._answer is not None:
            given, self._given = self._answer.sent - self._given, self._answer.sent
        if given and not self._left:
            return True
        return self._left > before or before + given - self._left >= MIN_TAKEN
