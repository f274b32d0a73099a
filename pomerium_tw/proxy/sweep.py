"""Deadlines without a timer each: one look a second at everything that waits."""

from __future__ import annotations

from typing import Protocol

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

log = Logger("pomerium.proxy")

SWEEP_SECONDS = 1.0
"""Deadlines are kept to within this."""


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
        self._looked_at = 0.0
        self.add = self._waiting.add
        self.discard = self._waiting.discard

    def start(self) -> None:
        self._timer = self._clock.callLater(SWEEP_SECONDS, self._look)

    def stop(self) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()

    def _look(self) -> None:
        self.start()
        now = self._clock.seconds()
        if now < self._looked_at:
            self._set_back(now)
        self._looked_at = now
        due = [each for each in self._waiting if 0 < each.deadline <= now]
        for waiting in due:
            # Ending one may have ended another, or set it going again.
            if waiting not in self._waiting or not 0 < waiting.deadline <= now:
                continue
            try:
                waiting.expired(now)
            except Exception:
                log.failure("ending what had waited too long failed")

    def _set_back(self, now: float) -> None:
        """The wall clock was set back: nobody is waited for the longer for it."""
        seconds = self._looked_at + SWEEP_SECONDS - now
        for each in self._waiting:
            # What is due before the last look was set after the step, or is a mark (see :mod:`.upstream`).
            if each.deadline > self._looked_at:
                each.deadline -= seconds
