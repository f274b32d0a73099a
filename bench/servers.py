"""Processes that the benchmark starts: configured by a template, pinned to a core, ended by their id."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import socket
import string
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from bench import cpu

CONFIGS = Path(__file__).parent / "configs"

START_SECONDS = 60.0
"""How long a server may take until it accepts connections: ten thousand routes are read in some seconds."""

_EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")

STOP_SECONDS = 5.0
"""How long a server may take to end before it is killed."""


class BenchError(Exception):
    """The benchmark cannot go on; the text says what to do."""


class _Template(string.Template):
    delimiter = "%"  # nginx has its own use for $, Envoy for @


def fill(name: str, folder: Path, values: Mapping[str, object]) -> Path:
    """Write ``configs/<name>`` with its ``%{...}`` filled in to ``folder`` and give its path."""
    target = folder / name
    target.write_text(_Template((CONFIGS / name).read_text()).substitute(values))
    return target


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody uses now, outside of those that connections take."""
    first, last = (int(part) for part in _EPHEMERAL.read_text().split())
    while True:
        with socket.socket() as probe, contextlib.suppress(OSError):
            port = random.choice([number for number in range(10_000, 65_000) if not first <= number <= last])
            probe.bind(("127.0.0.1", port))
            return port


class Server:
    """One running process tree; its standard output and error go to ``log``."""

    def __init__(self, name: str, process: subprocess.Popen[bytes], log: Path) -> None:
        self.name = name
        self._process = process
        self._log = log

    def cpu_seconds(self) -> float:
        """User and system time of the whole tree so far."""
        return cpu.tree(self._process.pid)

    def resident_bytes(self) -> int:
        """Resident memory of the whole tree now."""
        return cpu.resident(self._process.pid)

    def wait_until_listening(self, port: int) -> None:
        """Return as soon as the port accepts; raise :class:`BenchError` with the log's end otherwise."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self._process.poll() is None:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                return
            time.sleep(0.05)
        ended = self._process.poll()
        state = "does not listen" if ended is None else f"ended with status {ended}"
        tail = self._log.read_text(errors="replace")[-2000:]
        raise BenchError(f"{self.name} {state} after start. The end of its output:\n{tail}")

    def stop(self) -> None:
        """End the process politely, then its own process group with force."""
        self._process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(STOP_SECONDS)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)  # the group began with this process
        self._process.wait()


@contextlib.contextmanager
def serve(
    name: str,
    command: Sequence[str | Path],
    core: int,
    port: int,
    log: Path,
    env: Mapping[str, str] | None = None,
) -> Iterator[Server]:
    """Run ``command`` pinned to ``core`` until the block ends; inside it, ``port`` accepts connections."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            ["taskset", "-c", str(core), *command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=log.parent,
            env={**os.environ, **(env or {})},
            start_new_session=True,
        )
    server = Server(name, process, log)
    try:
        server.wait_until_listening(port)
        yield server
    finally:
        server.stop()
