"""Large bodies through a real proxy process: they flow, and its memory does not grow with them."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.running import Running, free_port, running, wait_for

SIZE = 1 << 30
PIECE = bytes(256 * 1024)
MAX_GROWTH = 32 * 1024 * 1024
"""Bytes of resident memory that a body of SIZE may cost."""
GIVE_UP = 60.0


def discard(connection: socket.socket, size: int) -> int:
    """Read ``size`` bytes or to the end; how many there were."""
    buffer = bytearray(len(PIECE))
    read = 0
    while read < size and (count := connection.recv_into(buffer, min(len(buffer), size - read))):
        read += count
    return read


def pour(connection: socket.socket, size: int) -> None:
    for _ in range(size // len(PIECE)):
        connection.sendall(PIECE)


def read_head(connection: socket.socket) -> bytes:
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = connection.recv(1)
        assert byte, head
        head += byte
    return head


@contextmanager
def upstream(serve: Callable[[socket.socket], None]) -> Iterator[int]:
    """Port of a server whose connections are handed to ``serve``, each in a thread."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def talk(connection: socket.socket) -> None:
            with connection:
                connection.settimeout(GIVE_UP)
                try:
                    serve(connection)
                except (OSError, AssertionError):
                    pass  # the proxy closed it

        def accept() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                threading.Thread(target=talk, args=(connection,), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)


def application(connection: socket.socket) -> None:
    """GET: SIZE bytes. POST: reads the body and says how long it was."""
    while True:
        head = read_head(connection)
        length = re.search(rb"Content-Length: ([0-9]+)", head)
        if length:
            answer = str(discard(connection, int(length[1]))).encode()
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(answer), answer))
        else:
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


def memory(process: Running, line: str = "VmHWM") -> int:
    """Bytes, from /proc; VmHWM is the most that was ever resident."""
    status = Path(f"/proc/{process.process.pid}/status").read_text()
    found = re.search(rf"{line}:\s+([0-9]+) kB", status)
    assert found
    return int(found[1]) * 1024


def test_a_download_of_1_gb_keeps_memory_flat(door: tuple[Running, int]) -> None:
    process, port = door
    before = memory(process)
    with call(port, b"GET / HTTP/1.1\r\n") as connection:
        assert b"Content-Length: %d\r\n" % SIZE in read_head(connection)
        assert discard(connection, SIZE) == SIZE
    assert memory(process) - before < MAX_GROWTH


def test_an_upload_of_1_gb_keeps_memory_flat(door: tuple[Running, int]) -> None:
    process, port = door
    before = memory(process)
    with call(port, b"POST / HTTP/1.1\r\nContent-Length: %d\r\n" % SIZE) as connection:
        pour(connection, SIZE)
        assert read_head(connection).startswith(b"HTTP/1.1 200 OK\r\n")
        assert connection.recv(100) == str(SIZE).encode()
    assert memory(process) - before < MAX_GROWTH


def cpu(process: Running) -> int:
    fields = Path(f"/proc/{process.process.pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def test_clients_that_do_not_read_stop_their_downloads(door: tuple[Running, int]) -> None:
    process, port = door
    before = memory(process)
    connections = [call(port, b"GET / HTTP/1.1\r\n") for _ in range(8)]
    seen = [-1]

    def settled() -> bool:
        seen.append(cpu(process))
        return seen[-1] - seen[-2] <= 1 and len(seen) > 8

    wait_for(settled, "the proxy to be at rest", GIVE_UP)
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
