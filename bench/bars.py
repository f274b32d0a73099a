"""The table of bars: what pomerium_tw must reach beside a peer, and whether it did."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from bench.hits import Hits
from bench.load import Case, Repetition
from bench.memory import Footprint
from bench.peers import BY_KEY, ENVOY_AUTH, NGINX, NGINX_AUTH, OURS
from bench.rows import FEW, MANY

_FULL = 0.97
"""From this share on a core is called full."""


@dataclass(frozen=True, slots=True)
class Row:
    """Medians of one case."""

    case: Case
    rate: float
    rate_min: float
    rate_max: float
    cpu_us: float
    bytes_each: float
    p50_ms: float | None
    p99_ms: float | None
    late_ms: float | None
    proxy_core_busy: float
    load_core_busy: float
    hits: Hits | None
    kept: int
    dropped: int
    disturbed: bool
    """No repetition was left in peace: the medians are of disturbed ones."""

    @property
    def bound(self) -> bool:
        """The load core was full and the proxy's was not: the rate is a lower bound."""
        return self.load_core_busy > _FULL > self.proxy_core_busy

    @property
    def megabytes(self) -> float:
        """Per second."""
        return self.rate * self.bytes_each / 1e6

    @property
    def cpu_per_gigabyte(self) -> float:
        """Seconds."""
        return self.cpu_us * 1e3 / self.bytes_each


def medians(repetitions: Sequence[Repetition]) -> Row | None:
    """Of the repetitions of one case; None when none of them showed what it should."""
    valid = [repetition for repetition in repetitions if not repetition.faults]
    kept = [repetition for repetition in valid if not repetition.disturbed] or valid
    if not kept:
        return None
    rates = [each.rate for each in kept]
    hits = [each.hits for each in kept if each.hits is not None]
    return Row(
        case=kept[0].case,
        rate=median(rates),
        rate_min=min(rates),
        rate_max=max(rates),
        cpu_us=median(each.cpu_us for each in kept),
        bytes_each=median(each.bytes_each for each in kept),
        p50_ms=_median([each.p50_ms for each in kept]),
        p99_ms=_median([each.p99_ms for each in kept]),
        late_ms=_median([each.late_ms for each in kept]),
        proxy_core_busy=median(each.proxy_core_busy for each in kept),
        load_core_busy=median(each.load_core_busy for each in kept),
        hits=Hits(*(median(share) for share in zip(*hits, strict=True))) if hits else None,
        kept=len(kept),
        dropped=len(repetitions) - len(kept),
        disturbed=kept[0].disturbed,
    )


def _median(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) if known else None


def rows(repetitions: Sequence[Repetition]) -> dict[Case, Row | None]:
    """Every case that was tried, in the order of the first try."""
    cases = dict.fromkeys(each.case for each in repetitions)
    return {case: medians([each for each in repetitions if each.case == case]) for case in cases}


@dataclass(frozen=True, slots=True)
class Bar:
    """What one line of the table asks."""

    title: str
    ours: Case
    peer: Case
    factor: float
    what: str = "rate"
    """``rate``: at least ``factor`` times the peer's; ``p99``, ``cpu``: at most."""

    @property
    def text(self) -> str:
        sign = "≥" if self.what == "rate" else "≤"
        other = self.peer.load if self.peer.proxy == OURS else BY_KEY[self.peer.proxy].label
        return f"{sign} {self.factor:g} × {other}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """One line of the table, filled in."""

    title: str
    bar: str
    ours: str
    peer: str
    ratio: str
    met: bool | None
    """None: not measured."""


def _bar(title: str, row: str, load: str, peer: str, factor: float, what: str = "rate") -> Bar:
    return Bar(title, Case(row, load, OURS), Case(row, load, peer), factor, what)


BARS = (
    _bar("GET 1 KB, 64 keep-alive connections, warm", "http", "warm", NGINX_AUTH, 1.0),
    _bar("the same, mixed", "http", "mixed", NGINX_AUTH, 0.7),
    _bar("the same, mixed", "http", "mixed", ENVOY_AUTH, 2.0),
    _bar("the same, cold", "http", "cold", NGINX_AUTH, 0.2),
    _bar("p99 at half of the slower one's peak, warm", "latency", "warm", NGINX_AUTH, 1.0, "p99"),
    _bar("the same, mixed", "latency", "mixed", NGINX_AUTH, 1.0, "p99"),
    _bar("TLS 1.3, keep-alive, warm", "tls", "warm", NGINX_AUTH, 0.9),
    _bar("the same, clients that offer ALPN", "tls", "alpn", NGINX_AUTH, 0.9),
    _bar("TLS 1.3, keep-alive, mixed", "tls", "mixed", NGINX_AUTH, 0.6),
    _bar("full TLS handshakes with one request each", "handshakes", "once", NGINX, 0.5),
    _bar("100 MB download", "bodies", "download", NGINX, 1.0),
    _bar("100 MB upload", "bodies", "upload", NGINX, 1.0),
    _bar("100 MB download, TLS", "bodies", "tls download", NGINX, 0.8),
    _bar("100 MB upload, TLS", "bodies", "tls upload", NGINX, 0.8),
    Bar(
        f"CPU of a request with {MANY:,} routes",
        Case("routes", f"{MANY:,} routes", OURS),
        Case("routes", f"{FEW:,} routes", OURS),
        1.05,
        "cpu",
    ),
)

KILOBYTES = {"plain": 4, "tls": 30, "websocket": 12}
"""Memory that an idle connection of each kind may cost; a KB is 1024 bytes."""

_KINDS = {
    "plain": "memory of an idle keep-alive connection, plain",
    "tls": "the same, TLS",
    "websocket": "memory of an idle websocket pair",
}


def ratio(ours: Row, peer: Row) -> tuple[float, str]:
    """Our rate divided by the peer's, and how that was reckoned, "" for by the rates.

    Where the generator's core was full under the peer, his rate is too low to divide by: then the processor
    time of a request counts where that is worse for us.
    """
    by_rate = ours.rate / peer.rate
    by_cpu = peer.cpu_us / ours.cpu_us if ours.cpu_us else by_rate
    if peer.bound and by_cpu < by_rate:
        return by_cpu, "by CPU"
    return by_rate, ""


def verdict(bar: Bar, found: Mapping[Case, Row | None]) -> Verdict:
    """Whether a bar was met."""
    ours, peer = found.get(bar.ours), found.get(bar.peer)
    texts = (_figure(bar, ours), _figure(bar, peer))
    if ours is None or peer is None:
        return Verdict(bar.title, bar.text, *texts, "", None)
    mark = " !" if ours.disturbed or peer.disturbed else ""
    if bar.what == "cpu":
        times = ours.cpu_us / peer.cpu_us
        return Verdict(bar.title, bar.text, *texts, f"{times:.2f}{mark}", times <= bar.factor)
    if bar.what == "p99":
        if ours.p99_ms is None or not peer.p99_ms:
            return Verdict(bar.title, bar.text, *texts, "", None)
        times = ours.p99_ms / peer.p99_ms
        return Verdict(bar.title, bar.text, *texts, f"{times:.2f}{mark}", times <= bar.factor)
    times, how = ratio(ours, peer)
    return Verdict(
        bar.title, bar.text, *texts, f"{times:.2f}{f' ({how})' if how else ''}{mark}", times >= bar.factor
    )


def _figure(bar: Bar, row: Row | None) -> str:
    if row is None:
        return "not measured"
    if bar.what == "p99":
        return "not measured" if row.p99_ms is None else f"{row.p99_ms:.2f} ms at {row.rate:,.0f}/s"
    bound = "≥ " if row.bound else ""
    if bar.ours.row == "bodies":
        return f"{bound}{row.megabytes:,.0f} MB/s, {row.cpu_per_gigabyte:.2f} CPU s/GB"
    return f"{bound}{row.rate:,.0f}/s, {row.cpu_us:.0f} µs CPU"


def memory_verdict(footprint: Footprint) -> Verdict:
    """Whether an idle connection is small enough."""
    limit = KILOBYTES[footprint.kind]
    title = f"{_KINDS[footprint.kind]}, at {footprint.connections:,}"
    if footprint.bytes_each is None:
        return Verdict(title, f"≤ {limit} KB", f"not measured: {footprint.reason}", "", "", None)
    kilobytes = footprint.bytes_each / 1024
    return Verdict(title, f"≤ {limit} KB", f"{kilobytes:.1f} KB", "", "", kilobytes <= limit)


def verdicts(found: Mapping[Case, Row | None], footprints: Sequence[Footprint]) -> list[Verdict]:
    """The whole table; rows that were not asked for are left out."""
    tried = {case.row for case in found}
    told = [verdict(bar, found) for bar in BARS if bar.ours.row in tried]
    return told + [memory_verdict(footprint) for footprint in footprints]
