"""1 GB between slow peers: the memory of a real proxy process stays flat, plain and over TLS."""

from __future__ import annotations

import base64
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme

from tests.running import Running, free_port, running, wait_for

from .large_bodies import GIVE_UP, PIECE, SIZE, discard, forget_peak, memory, pour, read_head, still, upstream

MAX_GROWTH = 16 << 20
"""Bytes of resident memory that a body of SIZE may cost, a hundredth. Most often it is none."""
HOST = "big.localhost"
SMALL = 1024
"""Bytes of a piece while a peer is slow."""
SMALL_PIECES = 512
FIRST = 64 << 20
"""Bytes that a proxy moves before it is measured: where modules were compiled in the same process, the
allocator keeps 11 to 17 MB of the first large pieces in some runs, whatever the body's size."""
PAUSE = 0.001
"""Seconds between small pieces."""


@dataclass(frozen=True, slots=True)
class Door:
    """A proxy with one route to the application."""

    process: Running
    port: int
    trust: ssl.SSLContext | None
    resume: threading.Event
    """The application reads an upload only from here on."""

    def call(self, head: bytes) -> socket.socket:
        """A connection on which a request was begun."""
        connection = socket.create_connection(("127.0.0.1", self.port), GIVE_UP)
        if self.trust is not None:
            connection = self.trust.wrap_socket(connection, server_hostname=HOST)
        connection.sendall(head + f"Host: {HOST}\r\n\r\n".encode())
        return connection

    def wait_until_stuck(self) -> None:
        """Until the proxy has nothing left to do, as the peer reads nothing."""
        wait_for(still(self.process), "the proxy to be at rest", GIVE_UP)

    @contextmanager
    def flat(self) -> Iterator[None]:
        """Fails when the most that was resident meanwhile is much more than before."""
        forget_peak(self.process)
        before = memory(self.process, "VmRSS")
        yield
        assert memory(self.process) - before < MAX_GROWTH


def read_slowly(connection: socket.socket, size: int) -> int:
    """Read ``size`` bytes, at first a few at a time; how many there were."""
    read = 0
    for _ in range(SMALL_PIECES):
        read += len(connection.recv(SMALL))
        time.sleep(PAUSE)
    return read + discard(connection, size - read)


def pour_haltingly(connection: socket.socket) -> None:
    """Send SIZE bytes, a few at a time around the middle."""
    pour(connection, SIZE // 2)
    for _ in range(SMALL_PIECES):
        connection.sendall(bytes(SMALL))
        time.sleep(PAUSE)
    pour(connection, SIZE // 2 - SMALL * SMALL_PIECES)


def application(resume: threading.Event) -> Callable[[socket.socket], None]:
    """GET: SIZE bytes. PUT: reads the body, once it may, and says how long it was."""

    def serve(connection: socket.socket) -> None:
        while True:
            head = read_head(connection)
            if not head.startswith(b"PUT"):
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % SIZE)
                pour_haltingly(connection)
                continue
            assert resume.wait(GIVE_UP)
            answer = str(read_slowly(connection, SIZE)).encode()
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(answer), answer))

    return serve


CONFIG = """
address: 127.0.0.1:{port}
databroker_storage_type: memory
timeout_read: 0s
{security}
routes:
  - from: https://big.localhost
    to: {to}
    tls_custom_ca: {authority}
    allow_public_unauthenticated_access: true
    timeout: 0s
    idle_timeout: 0s
"""


@pytest.fixture(scope="module", params=["plain", "tls"])
def door(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    """Plain on both sides, or encrypted on both."""
    folder: Path = tmp_path_factory.mktemp("flat")
    port, resume, issuer = free_port(), threading.Event(), trustme.CA()
    serve, trust, security = application(resume), None, "insecure_server: true"
    if request.param == "tls":
        issued = issuer.issue_cert(HOST, "localhost")
        trust, behind_tls = ssl.create_default_context(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        issuer.configure_trust(trust)
        issued.configure_cert(behind_tls)
        plain = serve

        def serve(connection: socket.socket) -> None:
            with behind_tls.wrap_socket(connection, server_side=True) as encrypted:
                plain(encrypted)

        chain, key = encoded(issued.cert_chain_pems[0]), encoded(issued.private_key_pem)
        security = f"certificate: {chain}\ncertificate_key: {key}"
    with upstream(serve) as behind:
        to = f"http{'s' if trust else ''}://localhost:{behind}"
        configuration = folder / "config.yaml"
        text = CONFIG.format(port=port, to=to, security=security, authority=encoded(issuer.cert_pem))
        configuration.write_text(text)
        with running(["-m", "pomerium_tw.cli", "run", str(configuration)], folder / "output") as process:
            process.wait_for_text("ready")
            door = Door(process, port, trust, resume)
            with door.call(b"GET / HTTP/1.1\r\n") as connection:
                read_head(connection)
                discard(connection, FIRST)
            yield door


def encoded(blob: trustme.Blob) -> str:
    return base64.b64encode(blob.bytes()).decode()


def test_a_download_of_1_gb_to_a_slow_reader(door: Door) -> None:
    with door.flat(), door.call(b"GET / HTTP/1.1\r\n") as connection:
        door.wait_until_stuck()
        assert b"Content-Length: %d\r\n" % SIZE in read_head(connection)
        assert read_slowly(connection, SIZE) == SIZE


def test_an_upload_of_1_gb_to_a_slow_reader(door: Door) -> None:
    door.resume.clear()
    with door.flat(), door.call(b"PUT / HTTP/1.1\r\nContent-Length: %d\r\n" % SIZE) as connection:
        sender = threading.Thread(target=pour_haltingly, args=(connection,))
        sender.start()
        door.wait_until_stuck()
        assert sender.is_alive()  # it was made to wait
        door.resume.set()
        assert read_head(connection).startswith(b"HTTP/1.1 200 OK\r\n")
        assert connection.recv(len(PIECE)) == str(SIZE).encode()
        sender.join(GIVE_UP)
