"""Memory of connections that are open and idle: how much a fresh process grows, divided by their number."""

from __future__ import annotations

import contextlib
import json
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.heads import Load
from bench.peers import BODY, OURS, Proxy
from bench.rows import Bench
from bench.servers import BenchError
from bench.stage import ECHO_HOST

CONNECTIONS = 10_000
"""Idle connections, or pairs of them."""

KINDS = ("plain", "tls", "websocket")

_FIRST = (
    200  # connections that are opened and closed before the first reading: code and pools are in place then
)
_REST = 1.5  # seconds of quiet before a reading
_SPARE_FILES = 400
_ROOT = Path(__file__).parent.parent


@dataclass(frozen=True, slots=True)
class Footprint:
    """What one kind of idle connection costs."""

    kind: str
    connections: int
    bytes_each: float | None
    """Resident memory of the proxy's process tree per connection; None: not measured."""
    reason: str = ""
    """Why it was not measured."""


def raise_file_limit() -> int:
    """Let this process and what it starts open as many files as it may; gives the number."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    return limit


def connections(limit: int, kind: str) -> int:
    """How many of ``kind`` a proxy can hold that may open ``limit`` files; a websocket takes two."""
    return min(CONNECTIONS, (limit - _SPARE_FILES) // (2 if kind == "websocket" else 1))


def footprints(bench: Bench) -> list[Footprint]:
    """Of pomerium_tw, each kind in a process of its own."""
    if not bench.among(OURS):
        return []
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    found = []
    for kind in KINDS:
        with bench.stage.proxy(OURS, tls=kind == "tls") as proxy:
            found.append(_footprint(bench, proxy, kind, connections(limit, kind)))
        each = found[-1].bytes_each
        print(
            f"{'memory':10} {kind:13} {'' if each is None else f'{each:,.0f} bytes'}{found[-1].reason}",
            flush=True,
        )
    return found


def _footprint(bench: Bench, proxy: Proxy, kind: str, count: int) -> Footprint:
    proxy.wait_until_ready(bench.loads["warm"].heads[0])
    try:
        with _held(bench, proxy, kind, _FIRST):
            pass
        time.sleep(_REST)
        before = proxy.server.resident_bytes()
        with _held(bench, proxy, kind, count):
            time.sleep(_REST)
            grown = proxy.server.resident_bytes() - before
    except BenchError as error:
        return Footprint(kind, count, None, str(error))
    return Footprint(kind, count, grown / count)


@contextlib.contextmanager
def _held(bench: Bench, proxy: Proxy, kind: str, count: int) -> Iterator[None]:
    """Inside the block ``count`` connections are open, and were all open to its end.

    Raises :class:`BenchError` where they could not be.
    """
    options = {
        "port": proxy.port,
        "tls": kind == "tls",
        "websocket": kind == "websocket",
        "count": count,
        "head": _head(bench, bench.loads["warm"], kind),
        "ending": BODY[-32:],
    }
    command = ["taskset", "-c", str(bench.stage.cores.load), sys.executable, "-m", "bench.idle"]
    process = subprocess.Popen(
        [*command, json.dumps(options)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=_ROOT,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    with process:
        try:
            said = process.stdout.readline()
            if said != "READY\n":
                raise BenchError((said + process.stdout.read())[-300:].strip())
            yield
            process.stdin.close()
            if said := process.stdout.read().strip():
                raise BenchError(said[-300:])
        finally:
            process.terminate()


def _head(bench: Bench, warm: Load, kind: str) -> str:
    """The request that each connection makes first."""
    if kind != "websocket":
        return warm.heads[0].data.decode("ascii")
    cookie = bench.sessions.cookie(0, ECHO_HOST)
    return f"GET /echo HTTP/1.1\r\nHost: {ECHO_HOST}:{bench.stage.site_port}\r\nCookie: {cookie}\r\n\r\n"
