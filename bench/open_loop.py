"""Requests at a constant rate, whatever the answers do: ``python -m bench.open_loop JSON``.

An open loop: request number n is meant to leave at n / rate, and its latency counts from that moment, so the
time that it waits because earlier answers are late is in it (what wrk leaves out). One thread, without a
framework: it costs some 20 µs a request.
"""

from __future__ import annotations

import json
import select
import socket
import sys
import time
from collections import deque
from pathlib import Path
from statistics import quantiles

from bench.clients import say

_DRAIN_SECONDS = 5.0  # for answers that are still on their way at the end
_READ = 65536


class _Loop:
    def __init__(self, port: int, connections: int, heads: list[bytes], ending: bytes) -> None:
        self._heads = heads
        self._ending = ending
        self._idle = deque(_connected(port) for _ in range(connections))
        self._asked: dict[socket.socket, float] = {}
        """Connection → when its request was meant to leave."""
        self._parts: dict[socket.socket, bytes] = {}
        self.latencies: list[float] = []
        self.late: list[float] = []
        self.bytes = 0
        self.errors = {"status": 0, "closed": 0, "unanswered": 0}

    def run(self, rate: float, seconds: float, first: int) -> None:
        clock = time.monotonic
        begin, number, total = clock(), 0, int(rate * seconds)
        end = begin + seconds + _DRAIN_SECONDS
        while (number < total or self._asked) and clock() < end:
            due = begin + number / rate
            now = clock()
            while number < total and due <= now and self._idle:
                self._send(self._heads[(first + number) % len(self._heads)], due)
                number += 1
                due = begin + number / rate
            wait = max(0.0, due - clock()) if number < total and self._idle else 0.1
            # select(2) can wait for microseconds, epoll for milliseconds only.
            for connection in select.select(list(self._asked), (), (), wait)[0]:
                self._receive(connection)
        self.errors["unanswered"] = total - len(self.latencies) - sum(self.errors.values())

    def _send(self, head: bytes, due: float) -> None:
        connection = self._idle.popleft()
        connection.send(head)
        self._asked[connection] = due
        self.late.append(time.monotonic() - due)

    def _receive(self, connection: socket.socket) -> None:
        data = connection.recv(_READ)
        answer = self._parts.pop(connection, b"") + data
        if data and not answer.endswith(self._ending):
            self._parts[connection] = answer
            return
        due = self._asked.pop(connection)
        if not data:
            self.errors["closed"] += 1
            return
        self.latencies.append(time.monotonic() - due)
        self.bytes += len(answer)
        self.errors["status"] += not answer.startswith(b"HTTP/1.1 200 ")
        self._idle.append(connection)


def _connected(port: int) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def microseconds(values: list[float], percent: int) -> float:
    """A percentile of some seconds."""
    return quantiles(values, n=100, method="inclusive")[percent - 1] * 1e6


def main(options: dict[str, object]) -> None:
    text = Path(str(options["file"])).read_bytes()
    heads = [head + b"\r\n\r\n" for head in text.split(b"\r\n\r\n")[:-1]]
    ending = str(options["ending"]).encode()
    loop = _Loop(int(str(options["port"])), int(str(options["connections"])), heads, ending)
    rate, seconds = float(str(options["rate"])), float(str(options["seconds"]))
    loop.run(rate, seconds, int(str(options["start"])))
    measured = len(loop.latencies) > 1
    say(
        requests=len(loop.latencies),
        duration_us=int(seconds * 1e6),
        bytes=loop.bytes,
        errors=loop.errors,
        p50_us=microseconds(loop.latencies, 50) if measured else None,
        p99_us=microseconds(loop.latencies, 99) if measured else None,
        late_us=microseconds(loop.late, 99) if measured else None,
    )


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
