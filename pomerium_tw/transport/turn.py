"""The end of a reactor's turn: when all that has arrived by now is read, and can be handled together."""

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
