"""Times as log lines carry them."""

from __future__ import annotations

from datetime import UTC, datetime


class Stamp:
    """RFC 3339 in UTC with milliseconds. The text of a second is made once."""

    __slots__ = ("_second", "_text")

    def __init__(self) -> None:
        self._second = -1
        self._text = ""

    def __call__(self, seconds: float) -> str:
        """``seconds`` since the epoch as ``2026-01-31T23:59:59.123Z``."""
        second = int(seconds)
        if second != self._second:
            self._second = second
            self._text = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S.")
        return f"{self._text}{int((seconds - second) * 1000):03d}Z"
