"""The policy engine beside Cedar's and Rego's: ``python -m bench.policy`` from the project root.

What is measured, how, and what is not: ``bench/README.md``.
"""

from __future__ import annotations

import argparse
import functools
import importlib.metadata
import itertools
import json
import os
import platform
import re
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

try:
    from bench.policy_engines import CEDAR, ENGINES, OURS, REGORUS, Count, Engine, loaders
except ModuleNotFoundError as error:
    sys.exit(f"bench: {error.name} is missing: make bench-policy installs it, or pip install '.[bench]'")

from bench.policy_timing import Case, Repetition, Row, Work, rounds, rows
from bench.policy_workload import OUTCOMES, Asked, large_policy, policies, rings
from bench.report import RESULTS
from policy_grammar import Policy

BARS = {"cedarpy": 10, "regorus": 20}
"""How many times faster than the peer we mean to be."""

RULES = 1000
LOAD_BAR = 1.0
"""Seconds in which a policy of ``RULES`` rules is to be loaded."""

Rows = Mapping[Case, Row]


class DisagreementError(Exception):
    """The engines do not answer alike: then their times compare nothing."""


def main(arguments: Sequence[str]) -> int:
    """Run the benchmark; the exit status says whether all could be measured, not who was faster."""
    options = _options(arguments)
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[-1] if options.core is None else options.core})
    try:
        repetitions = [
            *(each for size, policy in policies().items() for each in _decisions(size, policy, options)),
            *_loads(options),
        ]
    except DisagreementError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    about = {**environment(), "seconds": options.seconds, "repetitions": options.repetitions}
    found = rows(repetitions)
    text = markdown(found, about)
    print(f"\n{text}")
    if options.save:
        print(f"Kept in {write(text, found, repetitions, about)}")
    return 0


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.policy", description=__doc__)
    parser.add_argument("--seconds", type=float, default=0.1, help="length of one repetition (default: 0.1)")
    parser.add_argument(
        "--repetitions", type=int, default=7, help="undisturbed repetitions wanted (default: 7)"
    )
    parser.add_argument("--core", type=int, help="core to run on (default: the last)")
    parser.add_argument("--save", action="store_true", help="keep the figures in bench/results/")
    return parser.parse_args(arguments)


def check(policy: Policy, outcome: str, ring: Sequence[Asked]) -> None:
    """Raises DisagreementError unless every engine says ``outcome`` to every request."""
    for engine in ENGINES:
        count = engine.prepare(policy)
        for asked, item in zip(ring, engine.items(ring), strict=True):
            if count([item]) != (outcome == "allow"):
                raise DisagreementError(f"{engine.label}, {policy.name}, does not {outcome} {asked}")


def _decisions(size: int, policy: Policy, options: argparse.Namespace) -> list[Repetition]:
    works: dict[Case, Work] = {}
    for outcome, ring in rings(policy).items():
        check(policy, outcome, ring)
        for engine in ENGINES:
            case = Case(size, outcome, engine.key)
            works[case] = _work(engine, engine.prepare(policy), outcome, ring, options.seconds)
    return _told(_criteria(size), works, options)


def _work(engine: Engine, count: Count, outcome: str, ring: Sequence[Asked], seconds: float) -> Work:
    """Passes over the ring for so long; what the caller has in hand is made off the clock.

    The clock is this process's processor time: nothing here waits, and what others take is not in it.
    """
    expected = len(ring) if outcome == "allow" else 0
    in_hand = engine.items(ring)
    count(in_hand)

    def work() -> tuple[float, int]:
        spent, passes = 0.0, 0
        while spent < seconds:
            items = engine.items(ring) if engine.fresh else in_hand
            started = time.process_time()
            allowed = count(items)
            spent += time.process_time() - started
            passes += 1
            if allowed != expected:
                raise DisagreementError(f"{engine.label} allowed {allowed} where it was {expected} before")
        return spent, passes * len(ring)

    return work


def _loads(options: argparse.Namespace) -> list[Repetition]:
    def once(load: Callable[[], object]) -> tuple[float, int]:
        started = time.process_time()
        loaded = load()
        spent = time.process_time() - started
        del loaded
        return spent, 1

    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        ways = loaders(large_policy(RULES), Path(folder))
        works = {Case(RULES, "load", label): functools.partial(once, load) for label, load in ways.items()}
        return _told(f"loading {RULES} rules", works, options)


def _told(what: str, works: Mapping[Case, Work], options: argparse.Namespace) -> list[Repetition]:
    print(f"{what}: {options.repetitions} rounds of {len(works)}", flush=True)
    return rounds(works, options.repetitions)


def environment() -> dict[str, object]:
    """The machine and the versions that the figures hold for."""
    processor = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
    built = str(sysconfig.get_config_var("CONFIG_ARGS"))
    return {
        "processor": processor[1] if processor else platform.machine(),
        "Linux": platform.release(),
        "Python": platform.python_version(),
        "profile-guided": "yes" if "--enable-optimizations" in built else "no",
        **{name: importlib.metadata.version(name) for name in ("cedarpy", "celine-regorus")},
    }


def markdown(found: Rows, about: Mapping[str, object]) -> str:
    """The whole report."""
    parts = [" · ".join(f"{name} {value}" for name, value in about.items())]
    for size in sorted({case.size for case in found if case.way in OUTCOMES}):
        parts += [f"### {_criteria(size)}", _decision_table(found, size)]
    parts += [f"### Loading {RULES:,} rules", _load_table(found), "### Bars", *_bars(found)]
    if any(row.disturbed for row in found.values()):
        parts.append("!: every repetition was disturbed by other work on this core; do not quote.")
    return "\n\n".join(parts) + "\n"


def _decision_table(found: Rows, size: int) -> str:
    head = ["outcome", "engine", "decisions/s", "µs", "min – max", "kept (dropped)"]
    lines = [[*head, *(f"× {peer}" for peer in BARS)], [*["---"] * 2, *["---:"] * 6]]
    for outcome, engine in itertools.product(OUTCOMES, ENGINES):
        row = found[Case(size, outcome, engine.key)]
        ratios = [f"{_ratio(found, row, peer):.1f}" for peer in BARS]
        lines.append([outcome, engine.label, f"{row.rate:,.0f}{_mark(row)}", *_figures(row, 1), *ratios])
    return _table(lines)


def _load_table(found: Rows) -> str:
    lines = [["what", "ms", "min – max", "kept (dropped)"], ["---", *["---:"] * 3]]
    lines += [
        [f"{case.engine}{_mark(row)}", *_figures(row, 1000)]
        for case, row in found.items()
        if case.way == "load"
    ]
    return _table(lines)


def _figures(row: Row, divisor: int) -> list[str]:
    median, least, most = (f"{each / divisor:.2f}" for each in (row.microseconds, row.least, row.most))
    return [median, f"{least} – {most}", f"{row.kept} ({row.dropped})"]


def _mark(row: Row) -> str:
    return " !" if row.disturbed else ""


def _criteria(size: int) -> str:
    return "1 criterion" if size == 1 else f"{size} criteria"


def _table(lines: Sequence[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _ratio(found: Rows, row: Row, peer: str) -> float:
    """How many times the peer's rate; cedarpy has two rows, and the faster one counts."""
    keys = [each.key for each in (*CEDAR, REGORUS) if each.key.startswith(peer)]
    yardstick = max(found[Case(row.case.size, row.case.way, key)].rate for key in keys)
    return row.rate / yardstick


def _bars(found: Rows) -> list[str]:
    lines = []
    for engine, (peer, bar) in itertools.product(OURS, BARS.items()):
        ratios = {
            f"{case.size} {case.way}": _ratio(found, row, peer)
            for case, row in found.items()
            if case.engine == engine.key
        }
        missed = [f"{where} ({ratio:.1f})" for where, ratio in ratios.items() if ratio < bar]
        said = f"missed at {', '.join(missed)}" if missed else f"met, {min(ratios.values()):.1f} at least"
        lines.append(f"- {engine.label}: {bar} × {peer} {said}")
    slow = [
        case.engine
        for case, row in found.items()
        if case.way == "load" and row.microseconds > LOAD_BAR * 1e6 and case.engine.startswith("pomerium_tw")
    ]
    lines.append(f"- load in {LOAD_BAR:g} s: {f'missed by {slow}' if slow else 'met'}")
    return ["\n".join(lines)]


def write(text: str, found: Rows, repetitions: Sequence[Repetition], about: Mapping[str, object]) -> Path:
    """Keep the report in ``bench/results/``; gives the path of the Markdown file, the JSON lies beside it."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"policy-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.md"
    path.write_text(text)
    data: dict[str, Any] = {
        "about": about,
        "medians": [asdict(row) for row in found.values()],
        "repetitions": [asdict(each) for each in repetitions],
    }
    path.with_suffix(".json").write_text(json.dumps(data, indent=1) + "\n")
    return path


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
