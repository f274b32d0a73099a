"""One bounded load on one proxy, and everything that is read off before and after it."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from bench import cpu
from bench.peers import BODY, Origin, Proxy
from bench.servers import BenchError

CONNECTIONS = 64

FOREIGN_LIMIT = 0.10
"""Share of a core that others may take during a repetition before it is dropped."""

COUNT_TOLERANCE = 0.02
"""By how much the origin's count of requests may differ from the expected one, as a share of it."""

_SCRIPT = Path(__file__).parent / "load.lua"
_COUNT_SLACK = 200  # requests: those on their way when wrk stops, and the readings themselves
_UNFLUSHED_LOG = 256 * 1024  # bytes that may still lie in a proxy's log buffer
_SHORTEST_LOG_LINE = 60  # bytes


@dataclass(frozen=True, slots=True)
class Cores:
    """Where the processes are pinned."""

    proxy: int
    load: int


@dataclass(frozen=True, slots=True)
class Repetition:
    """What one load of one proxy showed. Shares are of one core (1.0 = all of it)."""

    proxy: str
    load: str
    requests: int
    rate: float
    """Completed requests per second."""
    cpu_us: float
    """User and system time of the proxy's process tree per completed request, microseconds."""
    p50_ms: float
    p99_ms: float
    proxy_core_busy: float
    load_core_busy: float
    foreign_proxy_core: float
    foreign_load_core: float
    origin_requests: float
    """Requests that reached upstream and authorizer per completed request."""
    origin_connections: int
    """Connections opened to them meanwhile."""
    log_bytes: float
    """Access log per completed request."""
    faults: tuple[str, ...]
    """Why the figures do not show what the row says; empty when they do."""

    @property
    def disturbed(self) -> bool:
        """Others took too much of a core."""
        return max(self.foreign_proxy_core, self.foreign_load_core) > FOREIGN_LIMIT


class Played(NamedTuple):
    """What ``load.lua`` prints at the end."""

    requests: int
    duration_us: int
    bytes: int
    p50_us: int
    p99_us: int
    errors: dict[str, int]


class _Reading(NamedTuple):
    """All counters at one moment; times in seconds."""

    clock: float
    proxy: float
    others: float
    """Processor time of what belongs to the benchmark on the load core."""
    proxy_core: cpu.Core
    load_core: cpu.Core
    requests: int
    connections: int
    log_bytes: int


def measure(
    proxy: Proxy, origin: Origin, cores: Cores, load: str, requests: Path, seconds: int
) -> Repetition:
    """Load ``proxy`` for ``seconds`` with the requests in a file."""
    os.truncate(proxy.access_log, 0)
    before = _read(proxy, origin, cores)
    played = play(proxy.port, cores.load, requests, seconds)
    after = _read(proxy, origin, cores)
    count = max(played.requests, 1)
    clock = after.clock - before.clock
    proxy_cpu = after.proxy - before.proxy
    proxy_core = after.proxy_core - before.proxy_core
    load_core = after.load_core - before.load_core
    return Repetition(
        proxy=proxy.peer.key,
        load=load,
        requests=played.requests,
        rate=played.requests / played.duration_us * 1e6,
        cpu_us=proxy_cpu / count * 1e6,
        p50_ms=played.p50_us / 1e3,
        p99_ms=played.p99_us / 1e3,
        proxy_core_busy=proxy_core.busy / clock,
        load_core_busy=load_core.busy / clock,
        foreign_proxy_core=proxy_core.beside(proxy_cpu) / clock,
        foreign_load_core=load_core.beside(after.others - before.others) / clock,
        origin_requests=(after.requests - before.requests) / count,
        origin_connections=after.connections - before.connections,
        log_bytes=(after.log_bytes - before.log_bytes) / count,
        faults=tuple(_faults(proxy, played, before, after)),
    )


def play(port: int, core: int, requests: Path, seconds: int) -> Played:
    """Run wrk once on ``core``."""
    command = [
        *("timeout", "--kill-after=5", str(seconds + 15), "taskset", "-c", str(core)),
        *("wrk", "--threads", "1", "--connections", str(CONNECTIONS), "--duration", f"{seconds}s"),
        *("--timeout", "5s", "--latency", "--script", str(_SCRIPT)),
        *(f"http://127.0.0.1:{port}/", "--", str(requests)),
    ]
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    with process:
        try:
            output, _ = process.communicate()
        except BaseException:
            process.terminate()  # not kill: timeout hands a TERM on to wrk
            raise
    for line in output.splitlines():
        if line.startswith("RESULT "):
            return Played(**json.loads(line.removeprefix("RESULT ")))
    raise BenchError(f"wrk gave no result (status {process.returncode}):\n{output[-1000:]}")


def _read(proxy: Proxy, origin: Origin, cores: Cores) -> _Reading:
    counters = origin.counters()
    children = resource.getrusage(resource.RUSAGE_CHILDREN)  # wrk; the servers are still running
    own = children.ru_utime + children.ru_stime + time.process_time()
    return _Reading(
        clock=time.monotonic(),
        proxy=proxy.server.cpu_seconds(),
        others=origin.server.cpu_seconds() + own,
        proxy_core=cpu.core(cores.proxy),
        load_core=cpu.core(cores.load),
        requests=counters.requests,
        connections=counters.connections,
        log_bytes=proxy.access_log.stat().st_size,
    )


def _faults(proxy: Proxy, played: Played, before: _Reading, after: _Reading) -> list[str]:
    """Everything that makes the load something else than the row says: never measured silently."""
    faults = [f"wrk counted {number} {kind} errors" for kind, number in played.errors.items() if number]
    if played.requests == 0:
        return [*faults, "no request was completed"]
    if played.bytes < played.requests * len(BODY):
        faults.append(
            f"answers were shorter than the upstream's: {played.bytes / played.requests:.0f} bytes each"
        )
    expected = played.requests * (2 if proxy.peer.asks_authorizer else 1)
    seen = after.requests - before.requests
    if abs(seen - expected) > expected * COUNT_TOLERANCE + _COUNT_SLACK:
        faults.append(f"upstream and authorizer saw {seen} requests instead of {expected}")
    opened = after.connections - before.connections
    if opened > expected * COUNT_TOLERANCE + _COUNT_SLACK:
        faults.append(f"upstream connections were not kept alive: {opened} opened for {expected} requests")
    logged = after.log_bytes - before.log_bytes
    if logged + _UNFLUSHED_LOG < played.requests * _SHORTEST_LOG_LINE:
        faults.append(f"the access log grew by {logged} bytes for {played.requests} requests")
    return faults
