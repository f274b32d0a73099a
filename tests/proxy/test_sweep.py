from __future__ import annotations

from collections.abc import Callable

from twisted.internet.task import Clock

from pomerium_tw.proxy import Sweep


class Waiting:
    def __init__(self, deadline: float, then: object = None) -> None:
        self.deadline = deadline
        self.ended: list[float] = []
        self.then = then

    def expired(self, now: float) -> None:
        self.ended.append(now)
        self.deadline = 0.0
        if callable(self.then):
            self.then()


def started() -> tuple[Clock, Sweep]:
    clock = Clock()
    sweep = Sweep(clock)
    sweep.start()
    return clock, sweep


def test_what_has_waited_too_long_is_ended_within_a_second() -> None:
    clock, sweep = started()
    early, never, late = Waiting(2.5), Waiting(0.0), Waiting(10.0)
    for each in (early, never, late):
        sweep.add(each)
    clock.pump([1.0] * 4)
    assert (early.ended, never.ended, late.ended) == ([3.0], [], [])


def test_what_left_or_was_ended_by_another_is_let_be() -> None:
    clock, sweep = started()
    one, two = Waiting(0.5), Waiting(0.5)
    one.then = lambda: sweep.discard(two)
    two.then = lambda: sweep.discard(one)
    sweep.add(one)
    sweep.add(two)
    clock.advance(1)
    assert len(one.ended) + len(two.ended) == 1


def test_what_was_set_going_again_by_another_is_let_be() -> None:
    clock, sweep = started()
    one, two = Waiting(0.5), Waiting(0.5)
    one.then = lambda: setattr(two, "deadline", 99.0)
    two.then = lambda: setattr(one, "deadline", 99.0)
    sweep.add(one)
    sweep.add(two)
    clock.advance(1)
    assert len(one.ended) + len(two.ended) == 1


def test_a_failure_does_not_keep_the_others_waiting() -> None:
    clock, sweep = started()

    def fail() -> None:
        raise RuntimeError("a fault")

    both = [Waiting(0.5, fail), Waiting(0.5, fail)]
    for each in both:
        sweep.add(each)
    clock.pump([1.0, 1.0])
    assert [len(each.ended) for each in both] == [1, 1]


def test_it_stops() -> None:
    clock, sweep = started()
    sweep.stop()
    sweep.stop()
    assert not clock.getDelayedCalls()


class Reactor(Clock):
    """Says when it was set back, as the lean one does."""

    def __init__(self) -> None:
        super().__init__()
        self.rightNow = 10_000.0
        self.when_set_back: list[Callable[[float], None]] = []

    def set_back(self, seconds: float) -> None:
        self.rightNow -= seconds
        for call in self.getDelayedCalls():
            call.delay(-seconds)
        for told in self.when_set_back:
            told(seconds)


def test_a_clock_set_back_makes_nothing_wait_for_longer_or_shorter() -> None:
    clock = Reactor()
    sweep = Sweep(clock)
    sweep.start()
    before, never, free, after = Waiting(10_005.0), Waiting(0.0), Waiting(1.0), Waiting(0.0)
    for each in (before, never, after):
        sweep.add(each)
    clock.advance(0.5)
    clock.set_back(20)
    sweep.add(free)
    assert free.deadline == 1.0
    after.deadline = clock.seconds() + 30
    clock.pump([1.0] * 4)
    assert (before.ended, free.ended) == ([], [9_981.5])
    clock.pump([1.0] * 40)
    assert before.ended == [9_985.5]
    assert after.ended == [10_010.5]
    assert never.ended == []


def test_a_mark_is_no_time_that_could_be_set_back() -> None:
    clock = Reactor()
    sweep = Sweep(clock)
    sweep.start()
    free = Waiting(1.0)
    sweep.add(free)
    clock.set_back(0.5)
    assert free.deadline == 1.0


def test_who_has_stopped_is_told_of_no_clock() -> None:
    clock = Reactor()
    sweep = Sweep(clock)
    sweep.start()
    sweep.stop()
    sweep.stop()
    assert clock.when_set_back == []
