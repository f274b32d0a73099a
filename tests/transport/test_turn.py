from __future__ import annotations

import select

import pytest
from twisted.internet.task import Clock

from pomerium_tw.transport import turn_end_of, when_set_back
from pomerium_tw.transport.turn import may_handshake


def test_where_nobody_tells_when_a_turn_ends_it_ends_at_once() -> None:
    seen: list[str] = []
    turn_end_of(Clock())(lambda: seen.append("called"))
    assert seen == ["called"]


@pytest.mark.skipif(not hasattr(select, "epoll"), reason="there is no epoll here")
def test_the_lean_reactor_tells() -> None:
    from pomerium_tw.transport.lean import LeanEPollReactor

    reactor = LeanEPollReactor()
    seen: list[str] = []
    turn_end_of(reactor)(lambda: seen.append("called"))
    assert seen == []
    reactor.runUntilCurrent()
    assert seen == ["called"]


def test_of_other_reactors_nobody_hears_that_a_clock_was_set_back() -> None:
    told: list[float] = []
    when_set_back(Clock()).append(told.append)
    assert when_set_back(Clock()) == []


def test_where_turns_are_not_counted_every_handshake_fits() -> None:
    assert may_handshake(Clock())


@pytest.mark.skipif(not hasattr(select, "epoll"), reason="there is no epoll here")
def test_a_turn_of_the_lean_reactor_has_room_for_a_number_of_handshakes() -> None:
    from pomerium_tw.transport.lean import MOST_HANDSHAKES, LeanEPollReactor

    reactor = LeanEPollReactor()
    for _ in range(2):
        reactor.doPoll(0)
        assert [may_handshake(reactor) for _ in range(MOST_HANDSHAKES + 2)] == MOST_HANDSHAKES * [True] + [
            False
        ] * 2
