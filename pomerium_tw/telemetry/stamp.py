"""Times as log lines carry them."""

from __future__ import annotations

from datetime import UTC, datetime


class Stamp:
    """RFC 3339 in UTC with milliseconds. The text of a millisecond is made once: lines come many to one."""

    __slots__ = ("_millisecond", "_second", "_text", "_whole")

    def __init__(self) -> None:
        self._millisecond = -1
        self._second = -1
        self._text = ""
        self._whole = ""

    def __call__(self, seconds: float) -> str:
        """``seconds`` since the epoch as ``2026-01-31T23:59:59.123Z``."""
        millisecond = int(seconds * 1000)
        if millisecond != self._millisecond:
            self._millisecond = millisecond
            second, rest = divmod(millisecond, 1000)
            if second != self._second:
                self._second = second
                self._text = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S.")
            self._whole = f"{self._text}{rest:03d}Z"
        return self._whole
