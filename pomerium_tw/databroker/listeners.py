"""Callbacks that want to hear of something, kept apart from each other's faults."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from twisted.logger import Logger

log = Logger("pomerium.databroker")

_T = TypeVar("_T")


class Listeners(Generic[_T]):
    """Told in the order in which they came; one that raises is logged and keeps nobody else from hearing."""

    def __init__(self) -> None:
        self._listeners: dict[object, Callable[[_T], None]] = {}

    def add(self, listener: Callable[[_T], None]) -> Callable[[], None]:
        """Answers the function that takes the listener away again; calling it twice is fine."""
        key = object()
        self._listeners[key] = listener

        def remove() -> None:
            self._listeners.pop(key, None)

        return remove

    def tell(self, news: _T) -> None:
        for key, listener in tuple(self._listeners.items()):
            if key not in self._listeners:
                continue  # taken away by one that was told before
            try:
                listener(news)
            except Exception:
                log.failure("a listener of the databroker failed")
