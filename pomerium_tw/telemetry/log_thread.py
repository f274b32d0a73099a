"""A log's descriptor, written by a thread of its own: whoever reads a log may stop reading it."""

from __future__ import annotations

import atexit
import os
import select
from collections.abc import Callable
from queue import SimpleQueue
from threading import Event, Thread
from time import monotonic

MAX_WAITING_BYTES = 4 * 1024 * 1024
"""Log that waits for a descriptor that takes none. What comes on top of it is lost, and counted."""
PATIENCE_SECONDS = 0.02
"""How long a full log is waited for before anything is lost; after a loss not again until it takes lines.

A file that is merely slower than we are for a moment loses nothing so, and one that hangs holds nobody up.
"""
LAST_SECONDS = 2.0
"""How long the process waits at its end for the log to be written."""


class LogThread:
    """Takes batches of whole lines at once, and writes them when the descriptor does.

    A pipe, a terminal or a disk can make a write wait for ever. Making standard output non-blocking instead
    would make it so for every process that shares it.
    """

    def __init__(self, fd: int, write: Callable[[int, bytes], int] = os.write) -> None:
        self._fd = fd
        self._write = write
        self._thread: Thread | None = None
        self._batches: SimpleQueue[bytes | None] = SimpleQueue()
        self._progress = Event()
        # Each number is written by one thread alone.
        self._handed_bytes = 0
        self._done_bytes = 0
        self._refused_lines = 0
        self._failed_lines = 0
        self._torn = False
        self.works = True
        """The last batch was written, not lost."""

    @property
    def lost_lines(self) -> int:
        """Lines that were not written, and will not be."""
        return self._refused_lines + self._failed_lines

    def put(self, data: bytes) -> None:
        """Have ``data``, whole lines, written: to be called by one thread alone."""
        if self._is_full(data) and not (self.works and self._has_room_soon(data)):
            self._refused_lines += data.count(b"\n")
            self.works = False
            return
        # A process that was forked has no thread.
        if self._thread is None or not self._thread.is_alive():
            self._start()
        self._handed_bytes += len(data)
        self._batches.put(data)

    def _is_full(self, data: bytes) -> bool:
        waiting = self._handed_bytes - self._done_bytes
        return waiting > 0 and waiting + len(data) > MAX_WAITING_BYTES

    def _has_room_soon(self, data: bytes) -> bool:
        deadline = monotonic() + PATIENCE_SECONDS
        while (left := deadline - monotonic()) > 0:
            self._progress.clear()
            if not self._is_full(data):
                return True
            self._progress.wait(left)
        return not self._is_full(data)

    def close(self) -> None:
        """Wait until what was put is written, LAST_SECONDS at most.

        Python does it at its end; a process that ends by a signal has to do it before.
        """
        if self._thread is not None:
            atexit.unregister(self.close)
            self._batches.put(None)
            self._thread.join(LAST_SECONDS)
            self._thread = None

    def _start(self) -> None:
        self._handed_bytes = self._done_bytes = 0
        self._batches = SimpleQueue()
        self._thread = Thread(target=self._run, args=(self._batches,), name="log", daemon=True)
        self._thread.start()
        atexit.unregister(self.close)
        atexit.register(self.close)

    def _run(self, batches: SimpleQueue[bytes | None]) -> None:
        while (data := batches.get()) is not None:
            self.write_out(data)
            self._done_bytes += len(data)
            self._progress.set()

    def write_out(self, data: bytes) -> None:
        """Write ``data``, however long that takes; what cannot be written is counted."""
        if self._torn:
            # Writing failed in the middle of a line: what follows must not be read as its rest.
            data = b"\n" + data
        while data:
            try:
                written = self._write(self._fd, data)
            except BlockingIOError:
                # Somebody who shares it made it non-blocking.
                room = select.poll()
                room.register(self._fd, select.POLLOUT)
                room.poll()
            except OSError:
                self._failed_lines += data.count(b"\n") - data.startswith(b"\n")
                self.works = False
                return
            else:
                self._torn = data[written - 1 : written] != b"\n"
                data = data[written:]
        self.works = True
