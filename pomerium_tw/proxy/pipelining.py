"""Requests that arrived behind others of their connection: nobody is kept waiting by who sends thousands."""

from __future__ import annotations

from collections import deque
from typing import Protocol

from twisted.internet.interfaces import IReactorTime

MAX_AT_ONCE = 32
"""Requests of all connections together that begin in one turn of the reactor, behind others of their own.

A page of our own takes up to 0.4 ms: without this bound, 256 connections that pipeline kept everybody else
waiting for seconds.
"""


class Pipelines(Protocol):
    """A connection with a request that may begin."""

    def go_on(self) -> None:
        """Begin it, and no other."""


class Pipelining:
    """Which connection begins its next request: one each, first come, first served."""

    def __init__(self, clock: IReactorTime) -> None:
        self._call_later = clock.callLater
        self._left = MAX_AT_ONCE
        self._waiting: deque[Pipelines] = deque()
        self._due = False

    def admits(self, connection: Pipelines) -> bool:
        """Whether it may begin another request now. If not, it is told to go on in a turn to come."""
        if not self._due:
            self._due = True
            self._call_later(0, self._next_turn)
        if self._waiting or not self._left:
            self._waiting.append(connection)
            return False
        self._left -= 1
        return True

    def _next_turn(self) -> None:
        self._due = bool(self._waiting)
        if self._due:
            self._call_later(0, self._next_turn)
        self._left = MAX_AT_ONCE
        while self._waiting and self._left:
            self._left -= 1
            self._waiting.popleft().go_on()
