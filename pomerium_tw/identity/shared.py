"""One fetch for all who ask while it runs."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

_T = TypeVar("_T")


class SharedFetch(Generic[_T]):
    """Runs ``fetch`` when asked, and gives its outcome to everyone who asked until it ended.

    One who gives up waiting does not end the fetch: others may wait too, and its result serves whoever
    comes next.
    """

    def __init__(self, fetch: Callable[[], Coroutine[Deferred[Any], Any, _T]]) -> None:
        self._fetch = fetch
        self._waiting: list[Deferred[_T]] = []
        self._running = False

    def get(self) -> Deferred[_T]:
        waiter: Deferred[_T] = Deferred(self._waiting.remove)
        self._waiting.append(waiter)
        if not self._running:
            self._running = True
            Deferred.fromCoroutine(self._fetch()).addBoth(self._ended)
        return waiter

    def _ended(self, outcome: _T | Failure) -> None:
        self._running = False
        waiting, self._waiting = self._waiting, []
        for waiter in waiting:
            waiter.callback(outcome)  # a Failure makes it fail
