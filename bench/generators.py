"""The programs that make load, each run once with a limit of time, and what they say in the end."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from bench.clients import RESULT
from bench.heads import Load
from bench.peers import Proxy
from bench.servers import BenchError

CONNECTIONS = 64

_ROOT = Path(__file__).parent.parent
_SCRIPT = Path(__file__).parent / "load.lua"
_PATIENCE = 60  # seconds beyond the length of the load
_UNITS = {"us": 1.0, "ms": 1e3, "s": 1e6}


class Played(NamedTuple):
    """What a generator says in the end."""

    requests: int
    """Completed ones."""
    duration_us: int
    bytes: int
    """Received; of large bodies, sent or received."""
    errors: dict[str, int]
    """Kind → how many; a run with any is not counted."""
    p50_us: float | None = None
    p99_us: float | None = None
    late_us: float | None = None
    """p99 of how much later than intended an open loop sent: what the generator itself adds."""
    wrong: str = ""
    """The first answer that was not what it must be."""

    @property
    def faults(self) -> list[str]:
        found = [f"{number} {kind} errors" for kind, number in self.errors.items() if number]
        return [*found, *([self.wrong] if self.wrong else [])]


def wrk(proxy: Proxy, core: int, load: Load, start: int, seconds: float) -> Played:
    """A closed loop over kept-alive connections; from request number ``start`` of ``load`` on."""
    command = [
        *("wrk", "--threads", "1", "--connections", str(CONNECTIONS), "--duration", f"{seconds:.0f}s"),
        *("--timeout", "5s", "--latency", "--script", str(_SCRIPT)),
        *(proxy.url, "--", str(load.path), str(start)),
    ]
    return Played(**result(command, core, seconds))


def h2load(proxy: Proxy, core: int, load: Load, seconds: float) -> Played:
    """A closed loop of HTTP/1.1 clients that offer ALPN, over TLS; the first request of ``load`` repeated."""
    line, *fields = load.heads[0].data.decode("ascii").rstrip().split("\r\n")
    headers = [part for each in fields for part in ("-H", each) if not each.startswith("Host:")]
    authority = next(each for each in fields if each.startswith("Host:")).removeprefix("Host: ")
    command = [
        *("h2load", "--h1", "--clients", str(CONNECTIONS), "--threads", "1", "--duration", f"{seconds:.0f}"),
        *("--connect-to", f"127.0.0.1:{proxy.port}", *headers, f"https://{authority}{line.split()[1]}"),
    ]
    return read_h2load(output(command, core, seconds))


def read_h2load(text: str) -> Played:
    """Its report. Raises :class:`BenchError` when the clients did not agree to HTTP/1.1 over TLS 1.3."""
    finished = re.search(r"finished in ([\d.]+)(us|ms|s),", text)
    counts = re.search(r"(\d+) succeeded, (\d+) failed, (\d+) errored, (\d+) timeout", text)
    codes = re.search(r"status codes: (\d+) 2xx", text)
    traffic = re.search(r"traffic: .*?\((\d+)\) total", text)
    if not (finished and counts and codes and traffic):
        raise BenchError(f"h2load gave no result:\n{text[-1000:]}")
    agreed = ("Application protocol: http/1.1", "TLS Protocol: TLSv1.3")
    wrong = "" if all(line in text for line in agreed) else "the clients did not get HTTP/1.1 over TLS 1.3"
    done, failed, errored, late = map(int, counts.groups())
    errors = {"failed": failed, "read": errored, "timeout": late, "status": done - int(codes[1])}
    duration = float(finished[1]) * _UNITS[finished[2]]
    return Played(done, round(duration), int(traffic[1]), errors, wrong=wrong)


def own(module: str, core: int, options: Mapping[str, object]) -> dict[str, Any]:
    """A generator of this package, ``bench.<module>``; ``options`` go to it as JSON and hold ``seconds``."""
    command = [sys.executable, "-m", f"bench.{module}", json.dumps(options)]
    return result(command, core, float(str(options["seconds"])))


def result(command: Sequence[str], core: int, seconds: float) -> dict[str, Any]:
    """What a command prints after ``RESULT``. Raises :class:`BenchError` when it prints none."""
    text = output(command, core, seconds)
    for line in text.splitlines():
        if line.startswith(RESULT):
            found: dict[str, Any] = json.loads(line.removeprefix(RESULT))
            return found
    raise BenchError(f"{command[0]} gave no result:\n{text[-1000:]}")


def output(command: Sequence[str], core: int, seconds: float) -> str:
    """Run a command on ``core`` to its end."""
    limit = f"{seconds + _PATIENCE:.0f}"
    process = subprocess.Popen(
        ["timeout", "--kill-after=5", limit, "taskset", "-c", str(core), *command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=_ROOT,
    )
    with process:
        try:
            text, _ = process.communicate()
        except BaseException:
            process.terminate()  # not kill: timeout hands a TERM on
            raise
    return text
