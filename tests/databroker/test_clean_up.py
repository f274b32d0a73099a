"""The clean-up loop."""

from __future__ import annotations

import pytest
from twisted.internet.defer import Deferred, fail
from twisted.internet.task import Clock
from twisted.logger import globalLogPublisher

from pomerium_tw.databroker import SESSION, CleanedUp, CleanUp, MemoryStore, Record, StoreUnavailable
from pomerium_tw.databroker.clean_up import INTERVAL


class CountingStore(MemoryStore):
    turns = 0
    broken: Exception | None = None

    def clean_up(self) -> Deferred[CleanedUp]:
        self.turns += 1
        return fail(self.broken) if self.broken else super().clean_up()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(clock: Clock) -> CountingStore:
    store = CountingStore(clock)
    store.start()
    return store


def test_expired_sessions_go_within_a_turn(store: CountingStore, clock: Clock) -> None:
    loop = CleanUp(store, clock)
    loop.start()
    store.put([Record.new(SESSION, "s1", {"expires_at": 10})])
    clock.advance(INTERVAL)
    assert store.latest().result.records == ()
    loop.stop()
    assert clock.getDelayedCalls() == []


def test_one_of_several_processes_cleans_up(store: CountingStore, clock: Clock) -> None:
    loops = [CleanUp(store, clock) for _ in range(4)]
    for loop in loops:
        loop.start()
    assert store.turns == 1
    clock.advance(INTERVAL)
    assert store.turns == 2


@pytest.mark.parametrize("error", [StoreUnavailable("the disk is full"), RuntimeError("odd")])
def test_a_failure_is_logged_and_the_loop_goes_on(
    store: CountingStore, clock: Clock, error: Exception
) -> None:
    events: list[object] = []
    globalLogPublisher.addObserver(events.append)
    store.broken = error
    CleanUp(store, clock).start()
    globalLogPublisher.removeObserver(events.append)
    assert any("was not cleaned up" in str(event) for event in events)
    store.broken = None
    clock.advance(INTERVAL)
    assert store.turns == 2


def test_a_turn_that_a_stop_cuts_short_is_no_failure(store: CountingStore, clock: Clock) -> None:
    events: list[object] = []
    turn: Deferred[CleanedUp] = Deferred()
    store.clean_up = lambda: turn  # type: ignore[method-assign]
    loop = CleanUp(store, clock)
    loop.start()
    loop.stop()
    globalLogPublisher.addObserver(events.append)
    turn.errback(StoreUnavailable("the databroker is closed"))
    globalLogPublisher.removeObserver(events.append)
    assert events == []
    assert clock.getDelayedCalls() == []
