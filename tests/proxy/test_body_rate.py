from __future__ import annotations

from collections.abc import Callable

import pytest
from twisted.internet.task import Clock

from pomerium_tw.proxy.body_rate import MAX_WINDOWS_AHEAD, WINDOW_SECONDS, BodyRate, BodyWait
from pomerium_tw.proxy.failures import BODY_TOO_SLOW


def survives(rate: float, sent: Callable[[float], float], until: float) -> float:
    """Seconds that a client lasts who has sent ``sent(seconds)`` bytes by then; ``until`` at most."""
    clock = Clock()
    watch = BodyRate(rate, clock.seconds())
    while clock.seconds() < until:
        clock.advance(watch.look_at - clock.seconds())
        if watch.too_slow(clock.seconds(), int(sent(clock.seconds()))):
            return clock.seconds()
    return until


@pytest.mark.parametrize(
    ("sent", "lasts"),
    [
        pytest.param(lambda _seconds: 0, 10, id="nothing"),
        pytest.param(lambda seconds: seconds / 3, 10, id="a byte every three seconds"),
        pytest.param(lambda seconds: 255 * seconds, 10, id="just too slow"),
        pytest.param(lambda seconds: 256 * seconds, 3600, id="just fast enough"),
        pytest.param(lambda seconds: 1_000_000 * seconds, 3600, id="fast"),
        pytest.param(lambda _seconds: 10_000_000, 40, id="a burst, then silence"),
        pytest.param(lambda seconds: 1_000_000 + seconds, 40, id="a burst, then a trickle"),
    ],
)
def test_a_client_lasts_while_it_sends_enough(sent: Callable[[float], float], lasts: float) -> None:
    assert survives(256, sent, 3600) == lasts


def test_no_burst_buys_more_than_its_bound() -> None:
    longest = (MAX_WINDOWS_AHEAD + 2) * WINDOW_SECONDS
    for megabytes in (1, 100, 10_000):
        assert survives(256, lambda _seconds, size=megabytes: size * 2**20, 10_000) <= longest  # type: ignore[misc]


def test_what_was_ahead_is_used_up_by_gaps() -> None:
    """A gap of a window each time is too much for one that is just fast enough on the whole."""
    watch = BodyRate(100, 0.0)
    received = now = 0
    for amount in (3000, 0, 0):  # a window needs 1000
        now, received = now + 10, received + amount
        assert not watch.too_slow(now, received)
    assert watch.too_slow(now + 10, received)


def test_bytes_that_came_before_do_not_count() -> None:
    assert BodyRate(256, 0.0, received=100_000).too_slow(10.0, 100_000)


def test_time_in_which_we_do_not_read_does_not_count() -> None:
    watch = BodyRate(256, 0.0)
    watch.resume(95.0, 10)
    assert watch.look_at == 105.0
    assert not watch.too_slow(105.0, 10 + 2560)
    assert watch.too_slow(115.0, 10 + 2560)


def test_a_clock_that_was_set_back_buys_a_slow_body_no_hour() -> None:
    wait = BodyWait(10_000.0, 0.0, 256)
    set_back = 10_005.0 - 3600
    assert wait.failed(set_back, 10) is None
    assert wait.look_at(held=False) == set_back + 10
    assert wait.failed(set_back + 10, 20) is BODY_TOO_SLOW
