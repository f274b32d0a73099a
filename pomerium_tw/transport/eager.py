"""TCP transports that write at once when they can, instead of waiting for the reactor to let them.

Reads are as large as what comes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet import main, tcp
from twisted.python.failure import Failure

from .gathering import HELD, ROOM, Gathering
from .last_words import LastWords
from .unread import lies_unread

SHORT_READ = 32 * 1024
"""Bytes read from a socket in one go while less than that comes: requests and small answers.

Each read is given a buffer of this size first. From 128 KiB on, getting one costs 18 µs more, which is more
than the rest of the read (measured: the memory is mapped and unmapped each time).
"""
LONG_READ = 512 * 1024
"""Bytes read in one go at most. Each full read is followed by one twice as large: large bodies move in few
steps. While more waits to be sent than there is :data:`.gathering.ROOM` for, reads are short.

Twice as large as 256 KiB moved half as much again (15 to 22 times 100 MB a second); 1 MiB was no faster.
"""


class _Eager(Gathering):
    """Mixed in before a Twisted TCP connection."""

    _read_size = SHORT_READ
    _deaf = False

    def doRead(self: Any) -> Any:
        size = self._read_size
        if size != SHORT_READ and HELD.size > ROOM:
            size = self._read_size = SHORT_READ
        try:
            data = self.socket.recv(size)
        except (BlockingIOError, InterruptedError):
            return None
        except OSError:
            return main.CONNECTION_LOST
        if not data:
            # A write that failed took the system's error with it: this end looks like a clean one.
            return main.CONNECTION_LOST if self._deaf else main.CONNECTION_DONE
        if len(data) == size:
            if size != LONG_READ:
                self._read_size = 2 * size
        elif size != SHORT_READ and len(data) < SHORT_READ:
            self._read_size = SHORT_READ
        return self.protocol.dataReceived(data)

    def limit_next_read(self) -> None:
        self._read_size = SHORT_READ

    def catch_up(self: Any) -> None:
        """Read what is there, the other side's end too, as the reactor would in its next turn."""
        if lies_unread(self.socket):
            why = self.doRead()
            if why is not None:
                self.connectionLost(Failure(why))

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


def limit_next_read(transport: Any) -> None:
    """What comes takes long to understand: the next read brings little of it.

    Half a megabyte of chunks of one byte takes 25 ms, in which nobody else is served. Transports of other
    reactors read 64 KiB at most anyway.
    """
    limit: Callable[[], None] | None = getattr(transport, "limit_next_read", None)
    if limit is not None:
        limit()


class EagerServer(_Eager, tcp.Server):
    """An accepted connection."""


class EagerClient(LastWords, _Eager, tcp.Client):
    """A connection that we opened."""


class EagerPort(tcp.Port):
    transport = EagerServer


class Forgetful:
    """Mixed in before a Twisted connector. It and a lost connection would keep each other until the garbage
    collector comes by."""

    transport: Any

    def connectionLost(self: Any, reason: Failure) -> None:
        self.transport = None  # as Twisted does where connecting fails
        super().connectionLost(reason)  # type: ignore[misc]  # the class that this is mixed into


class EagerConnector(Forgetful, tcp.Connector):
    def _makeTransport(self) -> EagerClient:
        return EagerClient(self.host, self.port, self.bindAddress, self, self.reactor)
