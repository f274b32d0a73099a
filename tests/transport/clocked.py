"""A reactor for threads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet import reactor
from twisted.internet.task import Clock


class ClockedReactor(Clock):
    """The real reactor's threads with a clock of the test's."""

    def __init__(self) -> None:
        super().__init__()
        self.triggers: list[Callable[[], Any]] = []

    def callFromThread(self, fn: Callable[..., Any], /, *args: object, **kwargs: object) -> None:
        reactor.callFromThread(fn, *args, **kwargs)

    def addSystemEventTrigger(self, phase: str, event: str, fn: Callable[..., Any], /) -> Any:
        assert (phase, event) == ("during", "shutdown")
        self.triggers.append(fn)
        return fn

    def removeSystemEventTrigger(self, trigger: Any, /) -> None:
        self.triggers.remove(trigger)
