"""Deadlines without a timer each: one look a second at everything that waits."""

from __future__ import annotations

from typing import Protocol

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from ..transport import when_set_back

log = Logger("pomerium.proxy")

SWEEP_SECONDS = 1.0
"""Deadlines are kept to within this."""
MARKS = 60.0
"""Deadlines up to this say something else than a time (see :mod:`.upstream`)."""


class Waiting(Protocol):
    deadline: float
    """Seconds since the epoch; 0 is never."""

    def expired(self, now: float) -> None: ...


class Sweep:
    """Ends what has waited too long.

    What waits joins once and then only changes its deadline, where a timer costs a callLater and its cancel
    each time (3 µs).
    """

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._waiting: set[Waiting] = set()
        self._timer: IDelayedCall | None = None
        self.add = self._waiting.add
        self.discard = self._waiting.discard

    def start(self) -> None:
        when_set_back(self._clock).append(self._set_back)
        self._look_soon()

    def stop(self) -> None:
        told = when_set_back(self._clock)
        if self._set_back in told:
            told.remove(self._set_back)
        if self._timer is not None and self._timer.active():
            self._timer.cancel()

    def _look_soon(self) -> None:
        self._timer = self._clock.callLater(SWEEP_SECONDS, self._look)

    def _look(self) -> None:
        self._look_soon()
        now = self._clock.seconds()
        due = [each for each in self._waiting if 0 < each.deadline <= now]
        for waiting in due:
            # Ending one may have ended another, or set it going again.
            if waiting not in self._waiting or not 0 < waiting.deadline <= now:
                continue
            try:
                waiting.expired(now)
            except Exception:
                log.failure("ending what had waited too long failed")

    def _set_back(self, seconds: float) -> None:
        """The wall clock was set back: nobody is waited for the longer for it."""
        for each in self._waiting:
            if each.deadline > MARKS:
                each.deadline -= seconds
