"""Starting the real command in a process of its own, for tests that look at it from outside."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
START_SECONDS = 30.0
STOP_SECONDS = 10.0


def free_port() -> int:
    """A loopback port that nobody listens on now."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(ready: Callable[[], Any], what: str, seconds: float = START_SECONDS) -> Any:
    """What ``ready`` gives once it is true. For processes: time inside a process is a Clock's."""
    deadline = time.monotonic() + seconds
    while not (found := ready()):
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds:g} s in vain for {what}")
        time.sleep(0.05)
    return found


@dataclass
class Running:
    """A process of ours and what it has written."""

    process: subprocess.Popen[bytes]
    output: Path

    def text(self) -> str:
        return self.output.read_text(errors="replace")

    def lines(self, **wanted: object) -> list[dict[str, Any]]:
        """Log lines whose fields have these values (``_`` in a name stands for ``-``)."""
        found = []
        for line in self.text().splitlines():
            if line.startswith("{"):
                fields = json.loads(line)
                if all(fields.get(name.replace("_", "-")) == value for name, value in wanted.items()):
                    found.append(fields)
        return found

    def wait_for_text(self, text: str) -> None:
        def ready() -> bool:
            assert self.process.poll() is None, f"the process ended: {self.text()}"
            return text in self.text()

        wait_for(ready, repr(text))

    def wait_for_line(self, **wanted: object) -> dict[str, Any]:
        return wait_for(lambda: self.lines(**wanted), f"a log line with {wanted}")[0]  # type: ignore[no-any-return]


@contextmanager
def running(
    arguments: list[str],
    output: Path,
    environ: Mapping[str, str] | None = None,
    *,
    program: str = sys.executable,
) -> Iterator[Running]:
    """``python``, or another program, with these arguments, its output in ``output``; ended with SIGTERM.

    Not with SIGINT, which is ignored by what a shell runs in its background.
    """
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **(environ or {})}
    with output.open("wb") as sink:
        process = subprocess.Popen(
            [program, *arguments],
            stdout=sink,
            stderr=subprocess.STDOUT,
            env=environment,
            cwd=output.parent,
        )
    try:
        yield Running(process, output)
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
