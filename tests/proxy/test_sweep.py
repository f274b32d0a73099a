from __future__ import annotations

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


def test_a_clock_set_back_makes_nothing_wait_for_longer() -> None:
    clock, sweep = started()
    clock.rightNow = 10_000.0
    clock.advance(1)
    before, never = Waiting(10_005.0), Waiting(0.0)
    sweep.add(before)
    sweep.add(never)
    clock.rightNow -= 3600  # the sweep's own timer is the reactor's business
    for call in clock.getDelayedCalls():
        call.delay(-3600)
    after = Waiting(clock.rightNow + 3.0)
    sweep.add(after)
    clock.advance(1)
    assert (before.ended, after.ended) == ([], [])
    clock.pump([1.0] * 4)
    assert before.ended == [6405.0]
    assert after.ended == [6404.0]
    assert never.ended == []
