"""The upstream of large bodies: ``python -m bench.bulk PORT``.

``GET /N`` answers N bytes of a known pattern; ``PUT`` counts what comes, or compares it under ``/check``,
and answers with the number of good bytes. A thread for each connection and large buffers: it must cost less
than a proxy.
"""

from __future__ import annotations

import contextlib
import random
import socket
import sys
import threading

CHUNK = 1 << 20
"""Bytes of the pattern, sent and read at a time."""

PATTERN = memoryview(random.Random(4).randbytes(CHUNK)).toreadonly()


def main(port: int) -> None:
    listener = socket.create_server(("127.0.0.1", port), backlog=128)
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=_serve, args=(connection,), daemon=True).start()


def _serve(connection: socket.socket) -> None:
    buffer = bytearray(CHUNK)
    with connection, contextlib.suppress(OSError):
        arrived = b""
        while True:
            while b"\r\n\r\n" not in arrived:
                data = connection.recv(65536)
                if not data:
                    return
                arrived += data
            head, _, arrived = arrived.partition(b"\r\n\r\n")
            method, target, *_ = head.split(b" ", 2)
            if method == b"GET":
                send_pattern(connection, int(target[1:]), b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n")
            else:
                good = _receive(connection, arrived, length_of(head), buffer, check=target == b"/check")
                body = b"%d" % good
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
                arrived = b""


def length_of(head: bytes) -> int:
    """The Content-Length of a message; 0 without one."""
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return 0


def send_pattern(connection: socket.socket, size: int, head: bytes) -> None:
    """``head``, with the size for its %d, and that many bytes of the pattern over and over."""
    connection.sendall(head % size)
    left = size
    while left:
        left -= connection.send(PATTERN[(size - left) % CHUNK :][:left])


def matches(part: memoryview | bytes, at: int) -> bool:
    """Whether ``part`` is what the pattern holds from byte ``at`` on."""
    seen = 0
    while seen < len(part):
        expected = PATTERN[(at + seen) % CHUNK :][: len(part) - seen]
        if part[seen : seen + len(expected)] != expected:
            return False
        seen += len(expected)
    return True


def _receive(connection: socket.socket, arrived: bytes, size: int, buffer: bytearray, *, check: bool) -> int:
    """Bytes of a body that came, and with ``check`` came as they were sent."""
    view = memoryview(buffer)
    if check and not matches(arrived, 0):
        return 0
    good = len(arrived)
    while good < size:
        number = connection.recv_into(buffer, min(CHUNK, size - good))
        if not number or (check and not matches(view[:number], good)):
            break
        good += number
    return good


if __name__ == "__main__":
    main(int(sys.argv[1]))
