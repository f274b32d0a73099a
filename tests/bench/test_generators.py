"""Each generator against a server that answers well, and against one that does not."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bench import bulk
from bench.clients import RESULT
from bench.echo import Echo, accept_key, masked
from bench.generators import read_h2load
from bench.idle import PER_ADDRESS, source
from bench.open_loop import microseconds
from bench.stage import write_certificate

ROOT = Path(__file__).parent.parent.parent
HEAD = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
GOOD = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody"
BAD = b"HTTP/1.1 500 No\r\nContent-Length: 4\r\n\r\nbody"


@contextlib.contextmanager
def serving(answer: Callable[[socket.socket], None], context: ssl.SSLContext | None = None) -> Iterator[int]:
    """A server of threads; gives its port."""
    listener = socket.create_server(("127.0.0.1", 0))

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                threading.Thread(target=one, args=(connection,), daemon=True).start()

    def one(connection: socket.socket) -> None:
        with contextlib.suppress(OSError):
            secure = context.wrap_socket(connection, server_side=True) if context else connection
            with secure:
                answer(secure)

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def answering(answer: bytes, *, close: bool = False) -> Callable[[socket.socket], None]:
    def serve(connection: socket.socket) -> None:
        arrived = b""
        while data := connection.recv(65536):
            arrived += data
            while HEAD in arrived:
                arrived = arrived.replace(HEAD, b"", 1)
                connection.sendall(answer)
                if close:
                    return

    return serve


def run(module: str, **options: object) -> dict[str, Any]:
    command = [sys.executable, "-m", f"bench.{module}", json.dumps(options)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=ROOT, check=True)
    found: dict[str, Any] = json.loads(done.stdout.removeprefix(RESULT))
    return found


@pytest.fixture
def requests(tmp_path: Path) -> str:
    path = tmp_path / "one.requests"
    path.write_bytes(HEAD)
    return str(path)


@pytest.fixture
def server_context(tmp_path: Path) -> ssl.SSLContext:
    write_certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "certificate.pem", tmp_path / "key.pem")
    context.set_alpn_protocols(["http/1.1"])
    return context


def open_loop(port: int, requests: str) -> dict[str, Any]:
    options = {"rate": 200, "seconds": 0.2, "connections": 4, "ending": "body", "start": 0}
    return run("open_loop", port=port, file=requests, **options)


def test_the_open_loop_sends_as_many_as_it_is_told_and_times_them(requests: str) -> None:
    with serving(answering(GOOD)) as port:
        found = open_loop(port, requests)
    assert found["requests"] == 40
    assert found["bytes"] == 40 * len(GOOD)
    assert not any(found["errors"].values())
    assert 0 < found["p50_us"] <= found["p99_us"]


def test_the_open_loop_counts_wrong_answers_and_lost_connections(requests: str) -> None:
    with serving(answering(BAD)) as port:
        assert open_loop(port, requests)["errors"]["status"] == 40
    with serving(answering(b"", close=True)) as port:
        assert open_loop(port, requests)["errors"]["closed"] == 4


def test_percentiles() -> None:
    values = [number / 1e6 for number in range(101)]
    assert (round(microseconds(values, 50)), round(microseconds(values, 99))) == (50, 99)


def test_each_handshake_is_a_full_one_and_agrees_by_alpn(
    requests: str, server_context: ssl.SSLContext
) -> None:
    options = {"file": requests, "seconds": 0.3, "connections": 4, "shortest": len(GOOD)}
    with serving(answering(GOOD, close=True), server_context) as port:
        found = run("handshakes", port=port, **options)
    assert found["requests"] > 4
    assert found["bytes"] == found["requests"] * len(GOOD)
    assert not any(found["errors"].values())


def test_handshakes_count_short_answers_and_clients_without_an_agreement(
    requests: str, server_context: ssl.SSLContext
) -> None:
    server_context.set_alpn_protocols(["other"])
    options = {"file": requests, "seconds": 0.2, "connections": 2, "shortest": len(GOOD) + 1}
    with serving(answering(GOOD, close=True), server_context) as port:
        found = run("handshakes", port=port, **options)
    assert found["errors"]["alpn"] >= found["errors"]["status"] == found["requests"] > 0


@pytest.mark.parametrize("upload", [False, True])
def test_large_bodies_arrive_whole(upload: bool) -> None:
    options = {"tls": False, "host": "a", "cookie": "b", "size": 5_000_000, "seconds": 0.1}
    with serving(bulk._serve) as port:
        found = run("transfers", port=port, upload=upload, **options)
    assert found["wrong"] == ""
    assert found["requests"] > 0
    assert found["bytes"] == found["requests"] * 5_000_000


def test_a_refused_upload_and_a_changed_download_are_told() -> None:
    def refuse(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        while connection.recv(1 << 20):
            pass

    def change(connection: socket.socket) -> None:
        size = int(connection.recv(65536).split(b" ")[1][1:])
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + bytes(size))

    options = {"tls": False, "host": "a", "cookie": "b", "size": 1000, "seconds": 0.1}
    with serving(refuse) as port:
        assert "413" in run("transfers", port=port, upload=True, **options)["wrong"]
    with serving(change) as port:
        assert "changed" in run("transfers", port=port, upload=False, **options)["wrong"]


def test_the_pattern_is_compared_at_any_place() -> None:
    whole = bytes(bulk.PATTERN) * 2
    for at in (0, 1, bulk.CHUNK - 1):
        part = whole[at : at + bulk.CHUNK]
        assert bulk.matches(part, at)
        assert not bulk.matches(part[:-1] + bytes([part[-1] ^ 1]), at)


class Connection(asyncio.Transport):
    def __init__(self) -> None:
        super().__init__()
        self.written = b""

    def write(self, data: Any) -> None:
        self.written += bytes(data)


def test_the_echo_speaks_websocket() -> None:
    # The key and the answer of RFC 6455 §1.3; frames may come in any pieces.
    assert accept_key(b"dGhlIHNhbXBsZSBub25jZQ==") == b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
    echo, transport = Echo(), Connection()
    echo.connection_made(transport)
    sent = b"GET / HTTP/1.1\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    for byte in sent + masked(b"hello", b"abcd"):
        echo.data_received(bytes([byte]))
    head, _, frames = transport.written.partition(b"\r\n\r\n")
    assert b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in head
    assert frames == b"\x81\x05hello"


def idle(port: int, **options: object) -> subprocess.Popen[str]:
    settings = {"tls": False, "websocket": False, "count": 3, "head": HEAD.decode(), "ending": "body"}
    command = [sys.executable, "-m", "bench.idle", json.dumps({"port": port, **settings, **options})]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT)


def test_idle_connections_are_held_until_they_are_let_go() -> None:
    with serving(answering(GOOD)) as port, idle(port) as process:
        assert process.stdout
        assert process.stdout.readline() == "READY\n"
        assert process.communicate("")[0] == ""


def test_idle_connections_that_were_closed_meanwhile_are_told() -> None:
    with serving(answering(GOOD, close=True)) as port, idle(port) as process:
        assert "FAILED" in process.communicate("")[0]


def test_a_refused_upgrade_is_told() -> None:
    with serving(answering(BAD)) as port, idle(port, websocket=True, head=HEAD.decode()) as process:
        assert "FAILED connection 0" in process.communicate("")[0]


def test_no_address_has_too_many_idle_connections() -> None:
    addresses = [source(number) for number in range(10_000)]
    assert max(addresses.count(address) for address in set(addresses)) == PER_ADDRESS


H2LOAD = """TLS Protocol: TLSv1.3
Application protocol: http/1.1
finished in 2.01s, 54746.00 req/s, 7.93MB/s
requests: 109492 total, 109556 started, 109492 done, 109492 succeeded, 0 failed, 0 errored, 0 timeout
status codes: 109490 2xx, 0 3xx, 2 4xx, 0 5xx
traffic: 15.86MB (16633056) total, 11.28MB (11829460) headers (space savings 0.00%), 534KB (547675) data
"""


def test_the_report_of_h2load_is_read() -> None:
    played = read_h2load(H2LOAD)
    assert (played.requests, played.duration_us, played.bytes) == (109492, 2_010_000, 16633056)
    assert played.faults == ["2 status errors"]


def test_h2load_without_alpn_or_with_an_older_tls_does_not_count() -> None:
    for line in H2LOAD.splitlines()[:2]:
        assert read_h2load(H2LOAD.replace(line, "")).wrong
