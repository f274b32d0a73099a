"""One bounded load on one proxy, and everything that is read off before and after it."""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from bench import cpu
from bench.generators import Played
from bench.hits import Hits
from bench.peers import BODY, Origin, Proxy
from bench.stage import Cores

FOREIGN_LIMIT = 0.10
"""Share of a core that others may take during a repetition before it is dropped."""

COUNT_TOLERANCE = 0.02
"""By how much the origin's count of requests may differ from the expected one, as a share of it."""

_COUNT_SLACK = 200  # requests: those on their way when the generator stops, and the readings themselves
_UNFLUSHED_LOG = 256 * 1024  # bytes that may still lie in a proxy's log buffer
_SHORTEST_LOG_LINE = 60  # bytes


class Case(NamedTuple):
    """What a repetition is one of."""

    row: str
    """The name on the command line: ``http``, ``tls`` …"""
    load: str
    """``warm``, ``upload`` …"""
    proxy: str


@dataclass(frozen=True, slots=True)
class Repetition:
    """What one load of one proxy showed. Shares are of one core (1.0 = all of it)."""

    case: Case
    requests: int
    rate: float
    """Completed requests per second."""
    cpu_us: float
    """User and system time of the proxy's process tree per completed request, microseconds."""
    bytes_each: float
    """Bytes received per completed request; of a large body, its size."""
    p50_ms: float | None
    p99_ms: float | None
    late_ms: float | None
    """p99 of the open loop's own lateness."""
    proxy_core_busy: float
    load_core_busy: float
    foreign_proxy_core: float
    foreign_load_core: float
    hits: Hits | None
    """Of a proxy that remembers."""
    faults: tuple[str, ...]
    """Why the figures do not show what the row says; empty when they do."""

    @property
    def disturbed(self) -> bool:
        """Others took too much of a core."""
        return max(self.foreign_proxy_core, self.foreign_load_core) > FOREIGN_LIMIT

    @property
    def good(self) -> bool:
        return not (self.disturbed or self.faults)


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
    case: Case,
    proxy: Proxy,
    origin: Origin,
    cores: Cores,
    play: Callable[[], Played],
    *,
    bodies: bool = False,
    hits: Callable[[Played], Hits] | None = None,
    more_faults: Callable[[Played], list[str]] = lambda _played: [],
) -> Repetition:
    """Load ``proxy`` by ``play``.

    ``bodies``: large ones, which go to another upstream and leave few log lines: their client has looked at
    each answer itself. ``hits`` is worked out when all counters have been read.
    """
    os.truncate(proxy.access_log, 0)
    before = _read(proxy, origin, cores)
    played = play()
    after = _read(proxy, origin, cores)
    count = max(played.requests, 1)
    clock = after.clock - before.clock
    proxy_cpu = after.proxy - before.proxy
    proxy_core = after.proxy_core - before.proxy_core
    load_core = after.load_core - before.load_core
    faults = [*played.faults, *more_faults(played)]
    if not played.requests:
        faults.append("no request was completed")
    elif not bodies:
        faults += _faults(proxy, played, before, after)
    return Repetition(
        case=case,
        requests=played.requests,
        rate=played.requests / max(played.duration_us, 1) * 1e6,
        cpu_us=proxy_cpu / count * 1e6,
        bytes_each=played.bytes / count,
        p50_ms=_milliseconds(played.p50_us),
        p99_ms=_milliseconds(played.p99_us),
        late_ms=_milliseconds(played.late_us),
        proxy_core_busy=proxy_core.busy / clock,
        load_core_busy=load_core.busy / clock,
        foreign_proxy_core=proxy_core.beside(proxy_cpu) / clock,
        foreign_load_core=load_core.beside(after.others - before.others) / clock,
        hits=hits(played) if hits else None,
        faults=tuple(faults),
    )


def _milliseconds(microseconds: float | None) -> float | None:
    return None if microseconds is None else microseconds / 1e3


def _read(proxy: Proxy, origin: Origin, cores: Cores) -> _Reading:
    counters = origin.counters()
    children = resource.getrusage(resource.RUSAGE_CHILDREN)  # generators; the servers are still running
    own = children.ru_utime + children.ru_stime + time.process_time()
    return _Reading(
        clock=time.monotonic(),
        proxy=proxy.server.cpu_seconds(),
        others=origin.cpu_seconds() + own,
        proxy_core=cpu.core(cores.proxy),
        load_core=cpu.core(cores.load),
        requests=counters.requests,
        connections=counters.connections,
        log_bytes=proxy.access_log.stat().st_size,
    )


def _faults(proxy: Proxy, played: Played, before: _Reading, after: _Reading) -> list[str]:
    """Everything that makes the load something else than the row says: never measured silently."""
    faults = []
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
