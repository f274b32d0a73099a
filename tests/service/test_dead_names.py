"""An upstream's name that no server answers for: its own requests wait, nothing else does."""

from __future__ import annotations

import json
import socket
import struct
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pomerium_tw.service.run import GRACE_SECONDS

from .processes import PATIENCE, free_port, running

DEAD_NAMES = 12
"""More than Twisted looks up at once."""
HANGING = """
import socket, sys, threading
before = socket.getaddrinfo
def look_up(host, *asked, **more):
    if host.startswith("dead"):
        threading.Event().wait()
    return before("127.0.0.1" if host == "good.test" else host, *asked, **more)
socket.getaddrinfo = look_up
from pomerium_tw.cli import main
main(["run", sys.argv[1]])
"""


@pytest.fixture
def upstream() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    connection, _peer = server.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(65536)
                    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")

        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)


def asking(port: int, name: str, more: str = "") -> socket.socket:
    """A client of one route that has sent its request."""
    client = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
    client.sendall(f"GET / HTTP/1.1\r\nHost: {name}.example.com\r\n{more}\r\n".encode())
    return client


def reset(client: socket.socket) -> None:
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


def test_requests_to_dead_names_hold_up_neither_another_name_nor_the_end(
    tmp_path: Path, upstream: int
) -> None:
    port = free_port()
    routes = [f"dead{number}" for number in range(DEAD_NAMES)]
    upstreams = {name: f"http://{name}.test" for name in routes} | {"good": f"http://good.test:{upstream}"}
    config = {
        "address": f"127.0.0.1:{port}",
        "insecure_server": True,
        "state_dir": str(tmp_path / "state"),
        "routes": [
            {
                "from": f"https://{name}.example.com",
                "to": to,
                "allow_public_unauthenticated_access": True,
                "allow_websockets": True,
            }
            for name, to in upstreams.items()
        ],
    }
    path = tmp_path / "c.yaml"
    path.write_text(json.dumps(config), "utf-8")
    upgrade = (
        "Connection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    )
    with running("-c", HANGING, str(path), cwd=tmp_path, port=port):
        gone = [asking(port, name, more) for name in routes for more in ("", upgrade, "")]
        with asking(port, "good") as client:
            client.settimeout(GRACE_SECONDS / 2)
            assert client.recv(65536).startswith(b"HTTP/1.1 200 ")
        for client in gone:
            reset(client)
        told = time.monotonic()
    assert time.monotonic() - told < GRACE_SECONDS
