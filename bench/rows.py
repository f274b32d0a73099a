"""The rows of the table that are rates: what runs for each, and how one repetition of it is made."""

from __future__ import annotations

import contextlib
import functools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

from bench import generators, heads
from bench.cpu import claim_memory
from bench.generators import CONNECTIONS, Played
from bench.heads import HOSTS, Load
from bench.hits import History, Hits
from bench.load import Case, Repetition, measure
from bench.peers import BODY, ENVOY_AUTH, NGINX, NGINX_AUTH, OURS, PEERS, Proxy
from bench.sessions import Sessions, email_of
from bench.stage import BULK_HOST, Stage

EXTRA_ROUNDS = 3
"""Further rounds for repetitions that were dropped."""

COLD_PER_SECOND = 16_000
"""Callers made for each second of the cold load: none may come twice."""

BODY_BYTES = 100_000_000
"""Size of a large body."""

FEW, MANY = 10, 10_000
"""Routes of the two configurations that are compared."""

_BODY_LOADS = ("download", "upload", "tls download", "tls upload")
_LONGEST_WARM_UP = 8  # times the usual one
_ENDING = BODY[-32:]


@dataclass
class Bench:
    """One run: what was asked for, and what has been found so far."""

    stage: Stage
    sessions: Sessions
    loads: Mapping[str, Load]
    only: tuple[str, ...]
    """Keys of the peers that take part."""
    seconds: int
    repetitions: int
    warm_up: int
    found: list[Repetition] = field(default_factory=list)

    def among(self, *keys: str) -> list[str]:
        """Those that take part."""
        return [key for key in keys if key in self.only]

    def rounds(self, cells: Mapping[Case, Callable[[], Repetition]]) -> None:
        """Interleaved (A B C, A B C): a slow minute of the machine hits all. Dropped ones are run again."""
        good = dict.fromkeys(cells, 0)
        for _ in range(self.repetitions + EXTRA_ROUNDS):
            for case, once in cells.items():
                if good[case] < self.repetitions:
                    self.found.append(once())
                    good[case] += self.found[-1].good
                    _progress(self.found[-1])

    def peak(self, player: Player, load: Load) -> float:
        """Requests per second of the http row, or of a short load now where that row was left out."""
        case = Case("http", load.name, player.proxy.peer.key)
        rates = [each.rate for each in self.found if each.case == case and not each.faults]
        if rates:
            return median(rates)
        player.warm(load, self.warm_up)
        played = player.play(load, 2)
        return played.requests / played.duration_us * 1e6


class Player:
    """One running proxy, and what it has been sent since it started."""

    def __init__(self, bench: Bench, proxy: Proxy) -> None:
        self.proxy = proxy
        self._bench = bench
        self._core = bench.stage.cores.load
        self._history = History()
        self._next: dict[str, int] = {}
        """Load → number of its next request."""
        self._played: list[tuple[Load, int, int, float, float]] = []
        """What the history has not been told yet."""
        proxy.wait_until_ready(bench.loads["warm"].heads[0])

    def play(self, load: Load, seconds: float, tool: Callable[[int], Played] | None = None) -> Played:
        """Go on with ``load`` where it stopped; ``tool`` is given the number to begin at (default: wrk)."""
        start, at = self._next.get(load.name, 0), time.monotonic()
        tool = tool or functools.partial(self._wrk, load, seconds)
        played = tool(start)
        self._next[load.name] = (start + played.requests) % len(load.heads)
        self._played.append((load, start, played.requests, at, played.duration_us / 1e6))
        return played

    def _wrk(self, load: Load, seconds: float, start: int) -> Played:
        return generators.wrk(self.proxy, self._core, load, start, seconds)

    def warm(self, load: Load, seconds: int) -> None:
        """Play until every request was sent once: a proxy that remembers is measured as it runs for hours."""
        sent, rounds = 0, 0
        while seconds and rounds < _LONGEST_WARM_UP and (not rounds or sent < len(load.heads)):
            sent += self.play(load, seconds).requests
            rounds += 1

    def hits(self, _played: Played) -> Hits:
        """Of the last load."""
        hits = Hits(0, 0, 0)
        for load, start, requests, at, seconds in self._played:
            hits = self._history.play(load, start, requests, at, seconds, CONNECTIONS)
        self._played.clear()
        return hits

    def once(
        self,
        case: Case,
        load: Load,
        seconds: float,
        tool: Callable[[int], Played] | None = None,
        *,
        kept_alive: bool = True,
    ) -> Repetition:
        """One measured repetition, with the proofs before and after it."""
        self.prove(load)
        stage = self._bench.stage
        done = measure(
            case,
            self.proxy,
            stage.origin,
            stage.cores,
            functools.partial(self.play, load, seconds, tool),
            hits=self.hits if kept_alive and self.proxy.peer.key == OURS else None,
        )
        self.prove(load)
        return done

    def prove(self, load: Load) -> None:
        """Some of the load's requests are answered as the row says, each caller told as himself."""
        step = max(1, len(load.heads) // 3)
        for head in load.heads[::step]:
            self.proxy.verify(head, email_of(head.session))


@contextlib.contextmanager
def players(bench: Bench, keys: Sequence[str], *, tls: bool = False) -> Iterator[dict[str, Player]]:
    """All of these proxies, running."""
    with contextlib.ExitStack() as stack:
        yield {key: Player(bench, stack.enter_context(bench.stage.proxy(key, tls=tls))) for key in keys}


def http(bench: Bench) -> None:
    """GETs of 1 KB over kept-alive connections: warm, mixed and cold."""
    with players(bench, bench.among(*(peer.key for peer in PEERS))) as running:
        cells: dict[Case, Callable[[], Repetition]] = {}
        for name in ("warm", "mixed"):
            for key, player in running.items():
                case = Case("http", name, key)
                cells[case] = functools.partial(_wrk, bench, player, case, bench.loads[name])
        for key in bench.among(OURS, NGINX_AUTH, ENVOY_AUTH):
            case = Case("http", "cold", key)
            cells[case] = functools.partial(_cold, bench, case, None if key == OURS else running[key])
        bench.rounds(cells)


def _wrk(bench: Bench, player: Player, case: Case, load: Load) -> Repetition:
    player.warm(load, bench.warm_up)
    return player.once(case, load, bench.seconds)


def _cold(bench: Bench, case: Case, player: Player | None) -> Repetition:
    """``player``: one that runs; None for ours, which begins anew each time, so that it knows nobody."""
    load, warm = bench.loads["cold"], bench.loads["warm"]
    with contextlib.ExitStack() as stack:
        if player is None:
            proxy = stack.enter_context(bench.stage.proxy(case.proxy, state="cold"))
            player = Player(bench, proxy)
        claim_memory()
        player.warm(warm, bench.warm_up)
        player.prove(warm)
        stage = bench.stage
        ours = case.proxy == OURS
        done = measure(
            case,
            player.proxy,
            stage.origin,
            stage.cores,
            functools.partial(player.play, load, bench.seconds),
            hits=player.hits if ours else None,
            more_faults=functools.partial(_repeated, load) if ours else lambda _played: [],
        )
        player.prove(warm)
        return done


def _repeated(load: Load, played: Played) -> list[str]:
    if played.requests + CONNECTIONS <= len(load.heads):
        return []
    return [f"{len(load.heads)} callers were too few for {played.requests} requests: some came again"]


def latency(bench: Bench) -> None:
    """The same GETs at half of the slower one's peak, from an open loop."""
    with players(bench, bench.among(OURS, NGINX_AUTH)) as running:
        cells: dict[Case, Callable[[], Repetition]] = {}
        for name in ("warm", "mixed"):
            load = bench.loads[name]
            rate = min((bench.peak(player, load) for player in running.values()), default=0.0) / 2
            for key, player in running.items():
                case = Case("latency", name, key)
                cells[case] = functools.partial(_open_loop, bench, player, case, load, rate)
        bench.rounds(cells)


def _open_loop(bench: Bench, player: Player, case: Case, load: Load, rate: float) -> Repetition:
    player.warm(load, bench.warm_up)

    def tool(start: int) -> Played:
        options = {
            "port": player.proxy.port,
            "file": str(load.path),
            "start": start,
            "rate": rate,
            "seconds": bench.seconds,
            "connections": CONNECTIONS,
            "ending": _ENDING,
        }
        return Played(**generators.own("open_loop", bench.stage.cores.load, options))

    return player.once(case, load, bench.seconds, tool)


def tls(bench: Bench) -> None:
    """TLS 1.3 over kept-alive connections: warm and mixed by wrk, warm by clients that offer ALPN."""
    with players(bench, bench.among(OURS, NGINX_AUTH), tls=True) as running:
        cells: dict[Case, Callable[[], Repetition]] = {}
        for name in ("warm", "mixed"):
            for key, player in running.items():
                case = Case("tls", name, key)
                cells[case] = functools.partial(_wrk, bench, player, case, bench.loads[name])
        for key, player in running.items():
            case = Case("tls", "alpn", key)
            cells[case] = functools.partial(_h2load, bench, player, case)
        bench.rounds(cells)


def _h2load(bench: Bench, player: Player, case: Case) -> Repetition:
    load = bench.loads["warm"]
    player.warm(load, bench.warm_up)
    core = bench.stage.cores.load

    def tool(_start: int) -> Played:
        return generators.h2load(player.proxy, core, load, bench.seconds)

    return player.once(case, load, bench.seconds, tool)


def handshakes(bench: Bench) -> None:
    """Full TLS handshakes, each with one request."""
    once = [heads.with_line(head, "Connection", "close") for head in bench.loads["warm"].heads]
    load = Load.write("once", bench.stage.work, once)
    with players(bench, bench.among(OURS, NGINX), tls=True) as running:
        cells: dict[Case, Callable[[], Repetition]] = {}
        for key, player in running.items():
            case = Case("handshakes", "once", key)
            cells[case] = functools.partial(_handshakes, bench, player, case, load)
        bench.rounds(cells)


def _handshakes(bench: Bench, player: Player, case: Case, load: Load) -> Repetition:
    def tool(seconds: float, _start: int) -> Played:
        options = {
            "port": player.proxy.port,
            "file": str(load.path),
            "seconds": seconds,
            "connections": CONNECTIONS,
            "shortest": len(BODY),
        }
        return Played(**generators.own("handshakes", bench.stage.cores.load, options))

    player.play(load, bench.warm_up, functools.partial(tool, bench.warm_up))
    return player.once(case, load, bench.seconds, functools.partial(tool, bench.seconds), kept_alive=False)


def bodies(bench: Bench) -> None:
    """Large bodies both ways, plain and over TLS."""
    with contextlib.ExitStack() as stack:
        cells: dict[Case, Callable[[], Repetition]] = {}
        for secure in (False, True):
            for key in bench.among(OURS, NGINX):
                config = "nginx_bodies" if key == NGINX else ""
                proxy = stack.enter_context(bench.stage.proxy(key, config=config, tls=secure))
                for name in ("download", "upload"):
                    case = Case("bodies", f"{'tls ' if secure else ''}{name}", key)
                    cells[case] = functools.partial(_bodies, bench, proxy, case, upload=name == "upload")
        bench.rounds(dict(sorted(cells.items(), key=lambda cell: _BODY_LOADS.index(cell[0].load))))


def _bodies(bench: Bench, proxy: Proxy, case: Case, *, upload: bool) -> Repetition:
    stage = bench.stage
    options = {
        "port": proxy.port,
        "tls": proxy.tls,
        "host": f"{BULK_HOST}:{stage.site_port}",
        "cookie": bench.sessions.cookie(0, BULK_HOST),
        "size": BODY_BYTES,
        "seconds": bench.seconds,
        "upload": upload,
    }

    def play() -> Played:
        return Played(**generators.own("transfers", stage.cores.load, options))

    return measure(case, proxy, stage.origin, stage.cores, play, bodies=True)


def routes(bench: Bench) -> None:
    """Ten routes against ten thousand, among which the ten are spread; requests go to the ten in turn."""
    if not bench.among(OURS):
        return
    wanted = HOSTS[:FEW]
    load = Load.write("routes", bench.stage.work, heads.mixed(bench.sessions, wanted, callers=100))
    with contextlib.ExitStack() as stack:
        cells: dict[Case, Callable[[], Repetition]] = {}
        for count in (FEW, MANY):
            proxy = stack.enter_context(bench.stage.proxy(OURS, hosts=spread(wanted, count)))
            case = Case("routes", f"{count:,} routes", OURS)
            cells[case] = functools.partial(_wrk, bench, Player(bench, proxy), case, load)
        bench.rounds(cells)


def spread(wanted: Sequence[str], count: int) -> list[str]:
    """``count`` hosts in file order, the wanted ones at even distances, each the last of its share."""
    share = count // len(wanted)
    return [
        host if number == share - 1 else f"{host.partition('.')[0]}-{number}.localhost"
        for host in wanted
        for number in range(share)
    ]


ROWS: Mapping[str, Callable[[Bench], None]] = {
    "http": http,
    "latency": latency,
    "tls": tls,
    "handshakes": handshakes,
    "bodies": bodies,
    "routes": routes,
}


def _progress(done: Repetition) -> None:
    state = "; ".join(done.faults) or ("disturbed, will be repeated" if done.disturbed else "")
    row, load, proxy = done.case
    print(f"{row:10} {load:13} {proxy:20} {done.rate:10,.1f}/s {done.cpu_us:9.1f} µs  {state}", flush=True)
