"""What the lean reactor tells besides events: the end of a turn, when all that has arrived by now is read and
can be handled together; and that the wall clock was set back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

AtTurnEnd = Callable[[Callable[[], None]], None]
"""Has something called at the end of the reactor's turn."""


def at_once(call: Callable[[], None]) -> None:
    """For reactors that tell nobody when a turn of theirs ends."""
    call()


def turn_end_of(reactor: Any) -> AtTurnEnd:
    """How to have something called at the end of this reactor's turn."""
    found: AtTurnEnd = getattr(reactor, "at_turn_end", at_once)
    return found


def when_set_back(reactor: Any) -> list[Callable[[float], None]]:
    """What is called with the seconds by which the wall clock was set back; other reactors never do."""
    found: list[Callable[[float], None]] = getattr(reactor, "when_set_back", [])
    return found
