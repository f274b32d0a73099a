"""What signals do to the process as people start it: while it begins, runs and ends."""

from __future__ import annotations

import signal
import socket
import threading
import time
from pathlib import Path

import pytest

from .processes import COMMAND, PATIENCE, TWISTD, command, free_port, ping

EARLY = """
import os, signal, sys

class Early:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            os.kill(os.getpid(), signal.SIGHUP)

sys.meta_path.insert(0, Early())
sys.argv = [sys.argv[0], *{arguments!r}]
{start}
"""
BEGUN = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n"


def configured(folder: Path, port: int, upstream: int) -> str:
    path = folder / "c.yaml"
    path.write_text(
        f"address: 127.0.0.1:{port}\ninsecure_server: true\nstate_dir: {folder / 'state'}\nroutes:\n"
        f"  - from: https://a.example.com\n    to: http://127.0.0.1:{upstream}\n"
        "    allow_public_unauthenticated_access: true\n",
        "utf-8",
    )
    return str(path)


@pytest.mark.parametrize(
    ("module", "arguments", "start"),
    [
        ("pomerium_tw.transport", ("run",), "from pomerium_tw.cli import main; main()"),
        ("pomerium_tw.service", TWISTD[2:], "from twisted.scripts.twistd import run; run()"),
    ],
    ids=["command", "twistd"],
)
def test_a_reload_asked_for_while_it_starts_is_made(
    tmp_path: Path, module: str, arguments: tuple[str, ...], start: str
) -> None:
    port = free_port()
    file = configured(tmp_path, port, 1)
    script = EARLY.format(module=module, arguments=(*arguments, file), start=start)
    with command("-c", script, cwd=tmp_path) as process:
        patience = threading.Timer(PATIENCE, process.kill)
        patience.start()
        assert process.stdout is not None
        assert any("reloaded, generation 2" in line for line in process.stdout)
        process.terminate()
        assert "reloaded" not in process.communicate()[0]
        patience.cancel()


def heard(client: socket.socket, until: bytes) -> bytes:
    """Everything up to and with ``until``; b"" is the end."""
    received = b""
    while not (until and until in received):
        data = client.recv(65536)
        if not data:
            break
        received += data
    return received


def test_a_second_signal_ends_what_the_first_one_waits_for_and_sighup_does_nothing(tmp_path: Path) -> None:
    port = free_port()
    with socket.create_server(("127.0.0.1", 0)) as upstream:
        upstream.settimeout(PATIENCE)
        file = configured(tmp_path, port, upstream.getsockname()[1])
        with command(*COMMAND, file, cwd=tmp_path) as process:
            try:
                ping(port, process)
                client = socket.create_connection(("127.0.0.1", port), PATIENCE)
                client.sendall(b"GET / HTTP/1.1\r\nHost: a.example.com\r\n\r\n")
                behind = upstream.accept()[0]
                heard(behind, b"\r\n\r\n")
                behind.sendall(BEGUN)
                heard(client, b"data: 1")
                begun = time.monotonic()
                process.send_signal(signal.SIGTERM)
                _until_refused(port)
                process.send_signal(signal.SIGHUP)
                # Whoever hears events has them all the while.
                behind.sendall(b"data: 2\n\n")
                heard(client, b"data: 2")
                process.send_signal(signal.SIGTERM)
                # No reset, and no last chunk either: it is not whole.
                assert not heard(client, b"").endswith(b"0\r\n\r\n")
                written = process.communicate(timeout=PATIENCE)[0]
            finally:
                process.kill()
    assert time.monotonic() - begun < 8
    assert process.returncode == 0
    assert "told again to stop: exchanges under way are cut" in written
    assert "ReactorNotRunning" not in written
    assert "reloaded" not in written


def _until_refused(port: int) -> None:
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        try:
            socket.create_connection(("127.0.0.1", port), PATIENCE).close()
        except ConnectionResetError:
            continue  # it was waiting to be accepted as the listening ended
        except ConnectionRefusedError:
            return
    raise AssertionError("it listens still")
