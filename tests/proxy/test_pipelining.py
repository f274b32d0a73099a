"""Turns of connections that have more than one request waiting."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pomerium_tw.proxy.pipelining import MAX_AT_ONCE, Pipelining


class Turns:
    """A clock whose calls are made when the test ends a turn."""

    def __init__(self) -> None:
        self._due: list[Callable[[], None]] = []

    def callLater(self, delay: float, call: Callable[[], None]) -> None:
        assert delay == 0
        self._due.append(call)

    def end(self) -> int:
        """How many calls were made."""
        due, self._due = self._due, []
        for call in due:
            call()
        return len(due)


class Pipeline:
    """A connection with so many requests behind its first one, each answered at once."""

    def __init__(self, pipelining: Pipelining, requests: int) -> None:
        self._pipelining = pipelining
        self._left = requests
        self.begun = 0

    def arrive(self) -> None:
        while self._left and self._pipelining.admits(self):
            self._begin()

    def go_on(self) -> None:
        self._begin()
        self.arrive()

    def _begin(self) -> None:
        self._left -= 1
        self.begun += 1


def started(*requests: int) -> tuple[Turns, list[Pipeline]]:
    clock: Any = Turns()
    pipelining = Pipelining(clock)
    pipelines = [Pipeline(pipelining, count) for count in requests]
    for each in pipelines:
        each.arrive()
    return clock, pipelines


def test_all_connections_share_what_begins_in_a_turn_and_take_turns() -> None:
    clock, pipelines = started(1000, 1000, 1000, 1000, 1000)
    assert [each.begun for each in pipelines] == [MAX_AT_ONCE, 0, 0, 0, 0]
    for turn in range(2, 12):
        assert clock.end() == 1
        counts = [each.begun for each in pipelines]
        assert sum(counts) == turn * MAX_AT_ONCE
        assert max(counts[1:]) - min(counts[1:]) <= 1


def test_who_comes_with_few_does_not_wait_for_who_came_with_many() -> None:
    clock, pipelines = started(*[1000] * 20, 2)
    for _ in range(2):
        clock.end()
    assert pipelines[-1].begun == 2


def test_every_turn_has_room_anew_and_none_is_asked_for_without_need() -> None:
    clock, (one,) = started(MAX_AT_ONCE)
    assert one.begun == MAX_AT_ONCE
    assert clock.end() == 1
    assert clock.end() == 0
    one._left = MAX_AT_ONCE + 1
    one.arrive()
    assert one.begun == 2 * MAX_AT_ONCE
    clock.end()
    assert one.begun == 2 * MAX_AT_ONCE + 1
    clock.end()
    assert clock.end() == 0
