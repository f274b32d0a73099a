"""The command: start everything, verify it, load each proxy in turn, report."""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from bench import heads, peers, report
from bench.load import CONNECTIONS, Cores, Repetition, measure, play
from bench.peers import PEERS, Origin, Peer, Proxy
from bench.servers import BenchError
from bench.sign_in import SignInError

EXTRA_ROUNDS = 3
"""Further rounds for repetitions that were dropped."""


def main(arguments: Sequence[str]) -> int:
    """Run the benchmark; the exit status says whether each row could be measured, not who was faster."""
    options = _options(arguments)
    chosen = tuple(peer for peer in PEERS if peer.key.startswith(tuple(options.only.split(","))))
    try:
        cores = _cores(options.cores)
        _require(chosen)
        # A plain kill must end the servers too: let it unwind the stack.
        signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))
        repetitions = _run(chosen, cores, options)
    except (BenchError, SignInError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    settings = {"repetitions": options.repetitions, "seconds": options.seconds, "connections": CONNECTIONS}
    about = {**report.environment(), **settings}
    text = report.markdown(repetitions, chosen, about)
    path = report.write(text, repetitions, chosen, about)
    print(f"\n{text}\nKept in {path} and {path.with_suffix('.json').name}")
    return 0 if report.complete(repetitions, chosen) else 1


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "--only",
        default="",
        metavar="NAME,…",
        help=f"proxies whose name begins so: {', '.join(p.key for p in PEERS)}",
    )
    parser.add_argument("--seconds", type=int, default=5, help="length of one repetition (default: 5)")
    parser.add_argument(
        "--repetitions", type=int, default=3, help="undisturbed repetitions wanted (default: 3)"
    )
    parser.add_argument(
        "--warm-up", type=int, default=1, help="seconds of load before each repetition (default: 1)"
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


def _require(chosen: tuple[Peer, ...]) -> None:
    if not chosen:
        raise BenchError(f"--only names no proxy; there are {', '.join(peer.key for peer in PEERS)}")
    if lines := peers.missing(chosen):
        raise BenchError("\n       ".join(lines))


def _run(chosen: tuple[Peer, ...], cores: Cores, options: argparse.Namespace) -> list[Repetition]:
    with contextlib.ExitStack() as stack:
        work = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        origin = stack.enter_context(peers.run_origin(work, cores.load))
        provider = None
        if any(peer.program == "pomerium_tw" for peer in chosen):
            provider = stack.enter_context(peers.run_provider(work, cores.load))
        proxies = [
            stack.enter_context(peers.run_proxy(peer, work, cores.proxy, origin, provider)) for peer in chosen
        ]
        host, cookie = peers.session(proxies)
        loads = {"warm": work / "warm.requests", "mixed": work / "mixed.requests"}
        loads["warm"].write_bytes(heads.warm(host, cookie))
        loads["mixed"].write_bytes(heads.mixed(host, cookie))
        for proxy in proxies:
            proxy.verify(host, cookie)
        repetitions = _rounds(proxies, origin, cores, loads, options)
        for proxy in proxies:
            proxy.verify(host, cookie)
    return repetitions


def _rounds(
    proxies: list[Proxy], origin: Origin, cores: Cores, loads: dict[str, Path], options: argparse.Namespace
) -> list[Repetition]:
    """Interleaved (A B C, A B C): a slow minute of the machine hits all. Dropped ones are run again."""
    repetitions: list[Repetition] = []
    good = dict.fromkeys(((proxy.peer.key, load) for proxy in proxies for load in loads), 0)
    for _ in range(options.repetitions + EXTRA_ROUNDS):
        for load, requests in loads.items():
            for proxy in proxies:
                case = (proxy.peer.key, load)
                if good[case] < options.repetitions:
                    play(proxy.port, cores.load, requests, options.warm_up)
                    repetitions.append(measure(proxy, origin, cores, load, requests, options.seconds))
                    good[case] += not (repetitions[-1].disturbed or repetitions[-1].faults)
                    _progress(repetitions[-1])
    return repetitions


def _progress(done: Repetition) -> None:
    state = "; ".join(done.faults) or ("disturbed, will be repeated" if done.disturbed else "")
    print(f"{done.load:6} {done.proxy:20} {done.rate:9,.0f}/s {done.cpu_us:7.1f} µs  {state}", flush=True)
