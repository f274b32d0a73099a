"""Connections that are used once and then kept open: ``python -m bench.idle JSON``.

Prints READY when all of them are open and each has had its answer, and holds them until its input ends. They
come from many addresses of 127.0.0.0/8, as those of many clients do.
"""

from __future__ import annotations

import base64
import json
import resource
import socket
import ssl
import sys
from typing import Any

from bench.clients import client_context
from bench.echo import accept_key, masked

PER_ADDRESS = 500
"""Connections from one source address."""

_KEY = base64.b64encode(bytes(range(16)))
_MESSAGE = b"are you there?"


def source(number: int) -> str:
    """The address that connection ``number`` comes from."""
    return f"127.0.1.{1 + number // PER_ADDRESS}"


class _Opener:
    def __init__(self, options: dict[str, Any]) -> None:
        self._port = int(options["port"])
        self._head = str(options["head"]).encode("ascii")
        self._ending = str(options["ending"]).encode("ascii")
        self._websocket = bool(options["websocket"])
        self._context = client_context() if options["tls"] else None

    def open(self, number: int) -> socket.socket:
        """Raises OSError or ValueError: the text says what came instead."""
        address = (source(number), 0)
        connection = socket.create_connection(("127.0.0.1", self._port), timeout=10, source_address=address)
        if self._context is not None:
            connection = self._context.wrap_socket(connection, server_hostname="localhost")
        if self._websocket:
            self._upgrade(connection)
        else:
            connection.sendall(self._head)
            self._expect(connection, b"HTTP/1.1 200 ", self._ending)
        return connection

    def _upgrade(self, connection: socket.socket) -> None:
        fields = (
            b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: "
        )
        connection.sendall(self._head[:-2] + fields + _KEY + b"\r\n\r\n")
        head = self._expect(connection, b"HTTP/1.1 101 ", b"\r\n\r\n")
        if accept_key(_KEY) not in head:
            raise ValueError("the answer to an upgrade was for another key")
        connection.sendall(masked(_MESSAGE, b"\x01\x02\x03\x04"))
        self._expect(connection, bytes((0x81, len(_MESSAGE))), _MESSAGE)

    def _expect(self, connection: socket.socket, beginning: bytes, ending: bytes) -> bytes:
        arrived = b""
        while not arrived.endswith(ending):
            data = connection.recv(65536)
            arrived += data
            if not data or not arrived.startswith(beginning[: len(arrived)]):
                raise ValueError(f"{beginning!r} expected, {arrived[:60]!r} came")
        return arrived


def main(options: dict[str, Any]) -> None:
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    opener = _Opener(options)
    held: list[socket.socket] = []
    try:
        held.extend(map(opener.open, range(int(options["count"]))))
    except (OSError, ValueError) as error:
        print(f"FAILED connection {len(held)}: {error}", flush=True)
        return
    print("READY", flush=True)
    sys.stdin.read()
    if any(_ended(connection) for connection in held):
        print("FAILED some connections were closed meanwhile", flush=True)


def _ended(connection: socket.socket) -> bool:
    """Whether the other side has closed."""
    connection.settimeout(0)
    try:
        return not connection.recv(1)
    except (BlockingIOError, ssl.SSLWantReadError):
        return False
    except OSError:
        return True


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
