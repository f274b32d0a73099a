"""Clients that do not read, and a real proxy process: its memory does not grow with what waits for them."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.running import Running, free_port, running, wait_for

from .large_bodies import GIVE_UP, SIZE, discard, memory, pour, read_head, still, upstream

MAX_GROWTH = 32 * 1024 * 1024
"""Bytes of resident memory that such clients may cost."""


def application(connection: socket.socket) -> None:
    """Answers with SIZE bytes."""
    while True:
        read_head(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % SIZE)
        pour(connection, SIZE)


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Running, int]]:
    """A proxy with one public route, and its port."""
    folder: Path = tmp_path_factory.mktemp("streaming")
    port = free_port()
    with upstream(application) as behind:
        configuration = folder / "config.yaml"
        configuration.write_text(
            f"""
address: 127.0.0.1:{port}
insecure_server: true
databroker_storage_type: memory
timeout_read: 0s
routes:
  - from: http://big.localhost
    to: http://127.0.0.1:{behind}
    allow_public_unauthenticated_access: true
    timeout: 0s
"""
        )
        with running(["-m", "pomerium_tw.cli", "run", str(configuration)], folder / "output") as process:
            process.wait_for_text("ready")
            yield process, port


def call(port: int, head: bytes) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port), GIVE_UP)
    connection.sendall(head + b"Host: big.localhost\r\n\r\n")
    return connection


def test_clients_that_do_not_read_stop_their_downloads(door: tuple[Running, int]) -> None:
    process, port = door
    before = memory(process)
    connections = [call(port, b"GET / HTTP/1.1\r\n") for _ in range(8)]
    wait_for(still(process), "the proxy to be at rest", GIVE_UP)
    assert memory(process) - before < MAX_GROWTH
    for connection in connections:
        assert read_head(connection).startswith(b"HTTP/1.1 200 OK\r\n")
        assert discard(connection, 1 << 22) == 1 << 22  # it flows again
        connection.close()


def test_a_client_that_sends_requests_and_never_reads_is_not_answered_without_end(
    door: tuple[Running, int],
) -> None:
    process, port = door
    before = memory(process)
    request = (
        b"GET /.well-known/pomerium HTTP/1.1\r\nHost: big.localhost\r\nX-Filler: " + b"x" * 200 + b"\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", port), GIVE_UP) as connection:
        connection.settimeout(1.0)
        sent = 0
        try:
            while sent < 1 << 27:
                sent += connection.send(request * 1000)
        except TimeoutError:
            pass
        assert sent < 1 << 27  # it was made to wait
    assert memory(process) - before < MAX_GROWTH
