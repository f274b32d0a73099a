"""Large bodies, one after the other over one connection: ``python -m bench.transfers JSON``."""

from __future__ import annotations

import json
import socket
import sys
import time
from typing import Any

from bench.bulk import CHUNK, length_of, matches, send_pattern
from bench.clients import connect, say


class Transfers:
    """Downloads or uploads through one proxy."""

    def __init__(self, connection: socket.socket, host: str, cookie: str) -> None:
        self._connection = connection
        self._fields = f"Host: {host}\r\nCookie: {cookie}\r\n".encode("ascii")
        self._buffer = bytearray(CHUNK)

    def download(self, size: int, *, check: bool) -> str:
        """Fetch ``size`` bytes; what was wrong, "" for nothing. With ``check`` every byte is compared."""
        self._connection.sendall(b"GET /%d HTTP/1.1\r\n%s\r\n" % (size, self._fields))
        head, body = self._answer()
        if not head.startswith(b"HTTP/1.1 200 ") or length_of(head) != size:
            return f"the answer to a download began with {head[:40]!r}"
        if check and not matches(body, 0):
            return "a download was changed on its way"
        return self._rest(size, len(body), check=check)

    def _rest(self, size: int, done: int, *, check: bool) -> str:
        view = memoryview(self._buffer)
        while done < size:
            number = self._connection.recv_into(self._buffer, min(CHUNK, size - done))
            if not number:
                return f"a download ended after {done} of {size} bytes"
            if check and not matches(view[:number], done):
                return "a download was changed on its way"
            done += number
        return ""

    def upload(self, size: int, *, check: bool) -> str:
        """Send ``size`` bytes; what was wrong, "" for nothing. With ``check`` the upstream compares them."""
        target = b"/check" if check else b"/count"
        send_pattern(
            self._connection,
            size,
            b"PUT %s HTTP/1.1\r\n%sContent-Length: %%d\r\n\r\n" % (target, self._fields),
        )
        head, body = self._answer()
        length = length_of(head)
        while len(body) < length:
            data = self._connection.recv(length - len(body))
            if not data:
                break
            body += data
        if not head.startswith(b"HTTP/1.1 200 ") or body != b"%d" % size:
            return f"the answer to an upload of {size} bytes was {head[:40]!r}, {body[:40]!r}"
        return ""

    def _answer(self) -> tuple[bytes, bytes]:
        """The head of an answer, and what came of the body with it."""
        arrived = b""
        while b"\r\n\r\n" not in arrived:
            data = self._connection.recv(65536)
            if not data:
                break
            arrived += data
        head, _, body = arrived.partition(b"\r\n\r\n")
        return head, body


def main(options: dict[str, Any]) -> None:
    size, seconds = int(options["size"]), float(options["seconds"])
    with connect(options["port"], tls=options["tls"]) as connection:
        transfers = Transfers(connection, options["host"], options["cookie"])
        move = transfers.upload if options["upload"] else transfers.download
        wrong, done = move(3 * CHUNK + 1, check=True), 0
        begin = now = time.monotonic()
        while not wrong and now - begin < seconds:
            wrong = move(size, check=False)
            done += not wrong
            now = time.monotonic()
    say(
        requests=done,
        duration_us=int((now - begin) * 1e6),
        bytes=done * size,
        errors={},
        wrong=wrong,
    )


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
