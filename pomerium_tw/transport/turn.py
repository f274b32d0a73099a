"""What the lean reactor tells besides events: the end of a turn, when all that has arrived by now is read and
can be handled together; that the wall clock was set back; and whether a turn has room for a handshake."""

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


def may_handshake(reactor: Any) -> bool:
    """Whether a step of a handshake fits into this turn, and takes its place.

    One that does not leaves what has arrived in the socket: the next turn hears of it again, behind those who
    arrived since. Other reactors have room for all.
    """
    left: int | None = getattr(reactor, "handshakes_left", None)
    if left is None:
        return True
    reactor.handshakes_left = left - 1
    return left > 0
