"""Listeners and their independence."""

from __future__ import annotations

from pomerium_tw.databroker.listeners import Listeners


def test_the_same_function_may_listen_twice_and_leave_once() -> None:
    listeners: Listeners[int] = Listeners()
    heard: list[int] = []
    leave = listeners.add(heard.append)
    listeners.add(heard.append)
    leave()
    leave()
    listeners.tell(1)
    assert heard == [1]


def test_one_that_was_taken_away_by_another_hears_no_more() -> None:
    listeners: Listeners[int] = Listeners()
    heard: list[int] = []
    listeners.add(lambda news: leave())
    leave = listeners.add(heard.append)
    listeners.tell(1)
    assert heard == []
