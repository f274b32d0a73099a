"""Full TLS handshakes with one request each: ``python -m bench.handshakes JSON``.

A closed loop of connections that are made, used once and closed. Each begins without a session, so none is
resumed (wrk resumes, and so measures another thing), and offers ALPN as a browser does.
"""

from __future__ import annotations

import json
import select
import socket
import ssl
import sys
import time
from pathlib import Path

from bench.clients import client_context, say

_READ = 65536


class _Client:
    """One connection after the other, ``width`` of them at a time."""

    def __init__(self, port: int, heads: list[bytes], shortest: int) -> None:
        self._port = port
        self._heads = heads
        self._shortest = shortest
        self._context = client_context()
        self._poll = select.epoll()
        self._open: dict[int, tuple[ssl.SSLSocket, list[bytes]]] = {}
        """Descriptor → connection, and what has arrived; an empty list before the request is sent."""
        self._turn = 0
        self.done = 0
        self.bytes = 0
        self.errors = {"handshake": 0, "resumed": 0, "alpn": 0, "status": 0}

    def run(self, width: int, seconds: float) -> float:
        """Seconds that it took."""
        begin = time.monotonic()
        for _ in range(width):
            self._begin()
        while time.monotonic() - begin < seconds:
            for descriptor, _event in self._poll.poll(1):
                self._go_on(descriptor)
        return time.monotonic() - begin

    def _begin(self) -> None:
        # Connected first: ssl takes a connection that is made while it looks for one that failed.
        plain = socket.create_connection(("127.0.0.1", self._port))
        plain.setblocking(False)
        connection = self._context.wrap_socket(
            plain, do_handshake_on_connect=False, server_hostname="localhost"
        )
        self._open[connection.fileno()] = (connection, [])
        self._poll.register(connection, select.EPOLLIN | select.EPOLLOUT | select.EPOLLET)

    def _go_on(self, descriptor: int) -> None:
        connection, arrived = self._open[descriptor]
        try:
            if not arrived:
                connection.do_handshake()
                self.errors["resumed"] += bool(connection.session_reused)
                self.errors["alpn"] += connection.selected_alpn_protocol() != "http/1.1"
                connection.send(self._heads[self._turn % len(self._heads)])
                self._turn += 1
                arrived.append(b"")
            while data := connection.recv(_READ):
                arrived.append(data)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return
        except OSError:
            self.errors["handshake"] += not arrived  # a reset after the answer only ends the connection
        self._end(descriptor, b"".join(arrived))

    def _end(self, descriptor: int, answer: bytes) -> None:
        connection, _arrived = self._open.pop(descriptor)
        connection.close()
        self.done += 1
        self.bytes += len(answer)
        self.errors["status"] += not answer.startswith(b"HTTP/1.1 200 ") or len(answer) < self._shortest
        self._begin()


def main(options: dict[str, object]) -> None:
    text = Path(str(options["file"])).read_bytes()
    heads = [head + b"\r\n\r\n" for head in text.split(b"\r\n\r\n")[:-1]]
    client = _Client(int(str(options["port"])), heads, int(str(options["shortest"])))
    seconds = client.run(int(str(options["connections"])), float(str(options["seconds"])))
    say(requests=client.done, duration_us=int(seconds * 1e6), bytes=client.bytes, errors=client.errors)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
