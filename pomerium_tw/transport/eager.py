"""TCP transports that write at once when they can, instead of waiting for the reactor to let them.

Reads are as large as what comes.
"""

from __future__ import annotations

from typing import Any

from twisted.internet import main, tcp

from .gathering import Gathering
from .last_words import LastWords

SHORT_READ = 32 * 1024
"""Bytes read from a socket in one go while less than that comes: requests and small answers.

Each read is given a buffer of this size first. From 128 KiB on, getting one costs 18 µs more, which is more
than the rest of the read (measured: the memory is mapped and unmapped each time).
"""
LONG_READ = 512 * 1024
"""Bytes read in one go once a read was full: large bodies move in few steps.

Twice as large as 256 KiB moved half as much again (15 to 22 times 100 MB a second); 1 MiB was no faster.
"""


class _Eager(Gathering):
    """Mixed in before a Twisted TCP connection."""

    _read_size = SHORT_READ
    _deaf = False

    def doRead(self: Any) -> Any:
        try:
            data = self.socket.recv(self._read_size)
        except (BlockingIOError, InterruptedError):
            return None
        except OSError:
            return main.CONNECTION_LOST
        if not data:
            # A write that failed took the system's error with it: this end looks like a clean one.
            return main.CONNECTION_LOST if self._deaf else main.CONNECTION_DONE
        if len(data) == self._read_size:
            self._read_size = LONG_READ
        elif self._read_size != SHORT_READ and len(data) < SHORT_READ:
            self._read_size = SHORT_READ
        return self.protocol.dataReceived(data)

    def _send_now(self: Any, data: bytes) -> int:
        try:
            sent: int = self.socket.send(data)
        except OSError:
            return 0
        return sent

    def startTLS(self, *args: Any) -> None:
        self.flush()
        self._gathers = False  # from now on bytes are to be encrypted first
        super().startTLS(*args)  # type: ignore[misc]  # the class that this is mixed into


class EagerServer(_Eager, tcp.Server):
    """An accepted connection."""


class EagerClient(LastWords, _Eager, tcp.Client):
    """A connection that we opened."""


class EagerPort(tcp.Port):
    transport = EagerServer


class EagerConnector(tcp.Connector):
    def _makeTransport(self) -> EagerClient:
        return EagerClient(self.host, self.port, self.bindAddress, self, self.reactor)
