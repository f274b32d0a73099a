"""Whether a request's body comes fast enough to be waited for (spec/threats DO-02)."""

from __future__ import annotations

from .failures import BODY_TOO_SLOW, REQUEST_TIMEOUT, Failed

MIN_BODY_RATE = 256.0
"""Bytes a second that a client has to send of a body, unless ``min_body_rate`` says otherwise."""
WINDOW_SECONDS = 10.0
"""How often a body is looked at, and how long it may take to get going."""
MAX_WINDOWS_AHEAD = 2
"""A client that was faster may be slower, or silent, for this many windows: networks have gaps."""


class BodyRate:
    """Looks at one body, once a window: chunks of the body cost nothing.

    What came faster than it had to counts for later windows, up to a bound: no burst buys an hour. Time in
    which we would not read does not count: that is not the client's slowness.
    """

    __slots__ = ("_ahead", "_minimum", "_received", "look_at")

    def __init__(self, rate: float, now: float, received: int = 0) -> None:
        """``rate``: bytes a second, above 0. ``received``: bytes of the body that are here already."""
        self._minimum = rate * WINDOW_SECONDS
        self._ahead = 0.0
        self._received = received
        self.look_at = now + WINDOW_SECONDS
        """When to call :meth:`too_slow` (seconds since the epoch)."""

    def too_slow(self, now: float, received: int) -> bool:
        """Whether to stop waiting; ``received``: bytes of the body until now. If not, a new window begins."""
        ahead = self._ahead + received - self._received - self._minimum
        if ahead < 0:
            return True
        self._ahead = min(ahead, MAX_WINDOWS_AHEAD * self._minimum)
        self._begin(now, received)
        return False

    def resume(self, now: float, received: int) -> None:
        """We read again after we did not: the window begins anew."""
        self._begin(now, received)

    def _begin(self, now: float, received: int) -> None:
        self._received = received
        self.look_at = now + WINDOW_SECONDS


class BodyWait:
    """How long one body is waited for: until a moment, and only while it comes fast enough."""

    __slots__ = ("_limit", "_rate")

    def __init__(self, started: float, timeout: float, rate: float) -> None:
        """``timeout``: seconds from ``started`` to the body's last byte. 0 is no limit, of the rate too."""
        self._limit = started + timeout if timeout else 0.0
        self._rate = BodyRate(rate, started) if rate else None

    def look_at(self, *, held: bool) -> float:
        """When to look next; 0 is never. ``held``: it is us who do not read."""
        at = 0.0 if held or self._rate is None else self._rate.look_at
        return min(at, self._limit) if at and self._limit else at or self._limit

    def resume(self, now: float, received: int) -> None:
        """We read again after we did not."""
        if self._rate is not None:
            self._rate.resume(now, received)

    def failed(self, now: float, received: int, *, held: bool = False) -> Failed | None:
        """Why to wait no longer; None to go on. Not for its rate while we do not read (``held``)."""
        if 0 < self._limit <= now:
            return REQUEST_TIMEOUT
        if self._rate is None:
            return None
        if self._rate.look_at > now:
            if self._rate.look_at > now + WINDOW_SECONDS:
                self._rate.resume(now, received)  # the wall clock was set back
            return None
        if held:
            self._rate.resume(now, received)
        elif self._rate.too_slow(now, received):
            return BODY_TOO_SLOW
        return None
