"""The command: start everything, verify it, load each proxy in turn, report."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from bench import heads, memory, peers, report, sessions, stage
from bench.heads import Load
from bench.memory import Footprint
from bench.peers import OURS, PEERS
from bench.rows import COLD_PER_SECOND, ROWS, Bench
from bench.servers import BenchError
from bench.sessions import Sessions
from bench.sign_in import SignInError
from bench.stage import Cores, Stage

CALLERS = 1000
"""Sessions of the mixed load."""

_NAMES = (*ROWS, "memory")


def main(arguments: Sequence[str]) -> int:
    """Run the benchmark; the exit status says whether each row could be measured, not who was faster."""
    options = _options(arguments)
    only = tuple(peer.key for peer in PEERS if peer.key.startswith(tuple(options.only.split(","))))
    rows = [name for name in _NAMES if name.startswith(tuple(options.rows.split(",")))]
    began = time.monotonic()
    try:
        cores = _cores(options.cores)
        _require(only, rows)
        memory.raise_file_limit()
        # A plain kill must end the servers too: let it unwind the stack.
        signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))
        bench, footprints = _run(only, rows, cores, options)
    except (BenchError, SignInError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    about = {
        **report.environment(),
        "repetitions": options.repetitions,
        "seconds": options.seconds,
        "minutes": round((time.monotonic() - began) / 60, 1),
    }
    text = report.markdown(bench.found, footprints, about)
    path = report.write(text, bench.found, footprints, about)
    print(f"\n{text}\nKept in {path} and {path.with_suffix('.json').name}")
    return 0 if report.complete(bench.found, footprints) else 1


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "--rows", default="", metavar="NAME,…", help=f"rows whose name begins so: {', '.join(_NAMES)}"
    )
    parser.add_argument(
        "--only",
        default="",
        metavar="NAME,…",
        help=f"proxies whose name begins so: {', '.join(p.key for p in PEERS)}",
    )
    parser.add_argument("--seconds", type=int, default=4, help="length of one repetition (default: 4)")
    parser.add_argument(
        "--repetitions", type=int, default=3, help="undisturbed repetitions wanted (default: 3)"
    )
    parser.add_argument(
        "--warm-up", type=int, default=1, help="least seconds of load before each repetition (default: 1)"
    )
    parser.add_argument(
        "--cores", metavar="P,L", help="core of the proxy, core of everything else (default: first, last)"
    )
    return parser.parse_args(arguments)


def _cores(wanted: str | None) -> Cores:
    allowed = sorted(os.sched_getaffinity(0))
    try:
        proxy, load = (int(part) for part in wanted.split(",")) if wanted else (allowed[0], allowed[-1])
    except ValueError:
        raise BenchError("--cores wants two numbers: --cores 0,1") from None
    if proxy == load or not {proxy, load} <= set(allowed):
        raise BenchError(f"two different cores are needed; this process may use {allowed}")
    os.sched_setaffinity(0, {load})
    return Cores(proxy, load)


def _require(only: tuple[str, ...], rows: list[str]) -> None:
    if not only:
        raise BenchError(f"--only names no proxy; there are {', '.join(peer.key for peer in PEERS)}")
    if not rows:
        raise BenchError(f"--rows names none; there are {', '.join(_NAMES)}")
    if lines := peers.missing(tuple(peers.BY_KEY[key] for key in only)):
        raise BenchError("\n       ".join(lines))


def _run(
    only: tuple[str, ...], rows: list[str], cores: Cores, options: argparse.Namespace
) -> tuple[Bench, list[Footprint]]:
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        work = Path(folder)
        with stage.run(work, cores, with_provider=OURS in only) as place:
            count = COLD_PER_SECOND * options.seconds if "http" in rows else 0
            people = _sign_in(place, count) if OURS in only else Sessions(place.site_port, None)
            loads = {
                "warm": Load.write("warm", work, heads.warm(people)),
                "mixed": Load.write("mixed", work, heads.mixed(people, callers=CALLERS)),
                "cold": Load.write("cold", work, heads.cold(people, CALLERS, count)),
            }
            bench = Bench(place, people, loads, only, options.seconds, options.repetitions, options.warm_up)
            for name, row in ROWS.items():
                if name in rows:
                    row(bench)
            return bench, memory.footprints(bench) if "memory" in rows else []


def _sign_in(place: Stage, cold: int) -> Sessions:
    """One person signs in; then there are many like him."""
    began = time.monotonic()
    with place.proxy(OURS, port=place.site_port) as proxy:
        people = place.sessions(proxy)
    if people.template is None:
        raise BenchError("pomerium_tw gave no session")
    state = place.work / "state"
    sessions.write(state, state, people.template.id, 1, CALLERS - 1)
    if cold:
        sessions.write(state, place.work / "cold", people.template.id, CALLERS, cold)
    print(f"{CALLERS + cold:,} sessions made in {time.monotonic() - began:.1f} s", flush=True)
    return people
