"""Peers that move large bodies over sockets, and what that costs the proxy."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.running import Running

SIZE = 1 << 30
PIECE = bytes(256 * 1024)
GIVE_UP = 60.0
"""Seconds that a peer waits at most."""


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


def memory(process: Running, line: str = "VmHWM") -> int:
    """Bytes, from /proc; VmHWM is the most that was resident since the start or :func:`forget_peak`."""
    status = Path(f"/proc/{process.process.pid}/status").read_text()
    found = re.search(rf"{line}:\s+([0-9]+) kB", status)
    assert found
    return int(found[1]) * 1024


def forget_peak(process: Running) -> None:
    Path(f"/proc/{process.process.pid}/clear_refs").write_text("5")  # proc(5)


def cpu(process: Running) -> int:
    """Ticks of the clock that it has used, in itself and in the system for it."""
    fields = Path(f"/proc/{process.process.pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def still(process: Running) -> Callable[[], bool]:
    """For ``wait_for``: true once the process has done next to nothing for a while."""
    seen: list[int] = []

    def settled() -> bool:
        seen.append(cpu(process))
        return len(seen) > 8 and seen[-1] - seen[-8] <= 1

    return settled
