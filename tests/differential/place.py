"""Sending one oddity through the proxy to every reader at once."""

from __future__ import annotations

import re
import select
import socket
from contextlib import ExitStack
from dataclasses import dataclass

from .oddities import Oddity
from .readers import Reader, Reading

SILENCE = 1.0
"""Seconds without a byte after which no more is waited for: what was sent is not a whole request."""
_FINAL = re.compile(rb"HTTP/1\.1 ([2-5][0-9]{2}) ")


@dataclass
class Outcome:
    """What became of an oddity on its way to one reader."""

    reader: Reader
    statuses: list[int]
    """Of the final answers that the client got."""
    readings: list[Reading]
    """The requests that the reader saw."""

    def meanings(self, *, first: bool) -> list[tuple[str, ...]]:
        return [reading.meaning(self.reader.host, first=first) for reading in self.readings]


@dataclass
class Place:
    """A running proxy and what stands behind it."""

    port: int
    readers: list[Reader]
    _fences: int = 0

    def send(self, oddity: Oddity) -> list[Outcome]:
        """One outcome for each reader.

        A fence follows: a good request of another client, over the same connections to the readers if they
        are still open. If bytes of the oddity were left there, the fence is not read as what it is.
        """
        answered = self._exchange([oddity.to(reader.host) for reader in self.readers], oddity.requests)
        self._fences += 1
        fence = f"/fence/{self._fences}"
        head = f"GET {fence} HTTP/1.1\r\nHost: ".encode()
        fences = self._exchange([head + reader.host + b"\r\n\r\n" for reader in self.readers], 1)
        assert fences == [[200]] * len(self.readers)
        return [
            Outcome(reader, statuses, reader.readings(fence))
            for reader, statuses in zip(self.readers, answered, strict=True)
        ]

    def _exchange(self, sent: list[bytes], count: int) -> list[list[int]]:
        """Each on a connection of its own; the statuses of the answers to each."""
        with ExitStack() as stack:
            received = {}
            for data in sent:
                connection = stack.enter_context(socket.create_connection(("127.0.0.1", self.port), 5))
                connection.sendall(data)
                received[connection] = b""
            waiting = list(received)
            while waiting and (ready := select.select(waiting, [], [], SILENCE)[0]):
                for connection in ready:
                    data = _received(connection)
                    received[connection] += data
                    if not data or len(_FINAL.findall(received[connection])) >= count:
                        waiting.remove(connection)
            # What came beside the last one that is waited for is a matter of chance.
            return [[int(status) for status in _FINAL.findall(data)[:count]] for data in received.values()]


def _received(connection: socket.socket) -> bytes:
    try:
        return connection.recv(1 << 20)
    except ConnectionError:
        return b""
