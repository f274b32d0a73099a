"""Memory that ends."""

from __future__ import annotations

import os

from twisted.internet.task import Clock

from pomerium_tw.demo.idp.bounded import Expiring


def test_values_expire(clock: Clock) -> None:
    held: Expiring[str] = Expiring(clock, os.urandom, lifetime=10, size=5)
    key = held.put("value")
    clock.advance(9.5)
    assert held.get(key) == "value"
    clock.advance(0.5)
    assert held.get(key) is None
    assert held.count() == 0


def test_the_oldest_goes_when_there_are_too_many(clock: Clock) -> None:
    held: Expiring[int] = Expiring(clock, os.urandom, lifetime=10, size=3)
    keys = [held.put(number) for number in range(5)]
    assert [held.get(key) for key in keys] == [None, None, 2, 3, 4]
    assert held.count() == 3


def test_a_value_is_taken_once_and_a_named_one_is_replaced(clock: Clock) -> None:
    held: Expiring[int] = Expiring(clock, os.urandom, lifetime=10, size=3)
    held.put(1, key="a")
    clock.advance(6)
    held.put(2, key="a")
    clock.advance(6)
    assert held.pop("a") == 2
    assert held.pop("a") is None
