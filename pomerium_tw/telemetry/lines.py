"""Log lines on their way out: gathered, written in batches, never in the way of a request."""

from __future__ import annotations

import os
from collections.abc import Callable

from twisted.internet.interfaces import IDelayedCall, IReactorTime

FLUSH_SECONDS = 0.2
"""Longest that a line waits in memory."""
FLUSH_BYTES = 64 * 1024
"""Lines are written as soon as so many bytes have gathered."""


class LineWriter:
    """Writes whole lines to a file descriptor.

    A log that cannot be written must not stop decisions (spec/threats LG-06): what fails is counted.
    """

    def __init__(self, fd: int, clock: IReactorTime, write: Callable[[int, bytes], int] = os.write) -> None:
        self._fd = fd
        self._clock = clock
        self._write = write
        self._lines: list[str] = []
        self._size = 0
        self._timer: IDelayedCall | None = None
        self._torn = False
        self.dropped_lines = 0
        """Lines lost because the log could not be written."""

    def line(self, text: str) -> None:
        """Queue one line; ``text`` ends in a newline and holds no other."""
        self._lines.append(text)
        self._size += len(text)
        if self._size >= FLUSH_BYTES:
            self.flush()
        elif self._timer is None:
            self._timer = self._clock.callLater(FLUSH_SECONDS, self.flush)

    def flush(self) -> None:
        """Write what has gathered."""
        if self._timer is not None:
            if self._timer.active():
                self._timer.cancel()
            self._timer = None
        lines, self._lines, self._size = self._lines, [], 0
        data = "".join(lines).encode()
        if self._torn:
            # Writing failed in the middle of a line: what follows must not be read as its rest.
            data = b"\n" + data
        while data:
            try:
                written = self._write(self._fd, data)
            except OSError:
                self.dropped_lines += data.count(b"\n") - data.startswith(b"\n")
                return
            self._torn = data[written - 1 : written] != b"\n"
            data = data[written:]
