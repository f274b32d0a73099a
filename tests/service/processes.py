"""Services in processes of their own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]
PATIENCE = 20.0
"""Seconds that a process may take."""
TWISTD = ("-c", "from twisted.scripts.twistd import run; run()", "-n", "--pidfile=", "pomerium", "--config")
COMMAND = ("-m", "pomerium_tw.cli", "run")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def configured(folder: Path, port: int, state: str = "state") -> str:
    path = folder / "c.yaml"
    path.write_text(
        f"address: 127.0.0.1:{port}\ninsecure_server: true\nstate_dir: {folder / state}\n"
        "routes:\n  - from: https://a.example.com\n    to: http://127.0.0.1:1\n"
        "    allow_public_unauthenticated_access: true\n",
        "utf-8",
    )
    return str(path)


def command(*arguments: str, cwd: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def ended(*arguments: str, cwd: Path) -> tuple[int, str]:
    """Exit status and everything written by a process that ends by itself."""
    with command(*arguments, cwd=cwd) as process:
        try:
            written, _ = process.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
        return process.returncode, written


@contextmanager
def running(*arguments: str, cwd: Path, port: int) -> Iterator[list[str]]:
    """A process that answers /ping; afterwards the list holds what it wrote, and it ended well on SIGTERM."""
    written: list[str] = []
    with command(*arguments, cwd=cwd) as process:
        try:
            assert ping(port, process) == "OK\n"
            yield written
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                written.append(process.communicate(timeout=PATIENCE)[0])
            except subprocess.TimeoutExpired:
                process.kill()
                raise


def ping(port: int, process: subprocess.Popen[str]) -> str:
    """The answer, as soon as there is one."""
    until = time.monotonic() + PATIENCE
    while True:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/ping", timeout=5) as answer:
                return str(answer.read().decode())
        except OSError:
            if process.poll() is not None or time.monotonic() > until:
                process.kill()
                raise AssertionError(process.communicate()[0]) from None
            time.sleep(0.02)
