"""Hosts with stars in them: a star stands for any run of characters, dots among them (spec/proxy §2.4).

The text before the first star and the text behind the last one find the host; what stands between two stars
is asked of those that are left.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from ..model import Head
from .path_table import NOTHING, PathTable
from .patterns import Patterns
from .plan import RoutePlan
from .prefixes import Prefix, PrefixIndex

_Routes = list[tuple[int, RoutePlan]]
_Ports = dict[int | None, PathTable]
"""Port of ``from`` → its routes; None is a host written without a port."""


class WildcardHosts:
    """The routes whose hosts hold a star, with their places in file order."""

    def __init__(self, routes: Sequence[tuple[int, RoutePlan]], *, any_port: bool) -> None:
        self._any_port = any_port
        ends: dict[str, dict[str, dict[str, _Routes]]] = {}
        for ranked in routes:
            host = ranked[1].route.host
            begin, _, rest = host.partition("*")
            end = rest.rpartition("*")[2]
            # Backwards, what a host ends with is what it begins with.
            ends.setdefault(end[::-1], {}).setdefault(begin, {}).setdefault(host, []).append(ranked)
        self._ends = PrefixIndex(
            {
                end: PrefixIndex({begin: _Hosts(hosts) for begin, hosts in begins.items()})
                for end, begins in ends.items()
            }
        )

    def find(self, head: Head, path: str) -> RoutePlan | None:
        """The first route whose host and path match."""
        best = NOTHING
        for ports in self._matching(head.host):
            for table in self._tables(ports, head.port):
                best = table.better(path, best)
        return best[1]

    def knows(self, head: Head) -> bool:
        """Whether any route is at this host, whatever its path."""
        return any(self._tables(ports, head.port) for ports in self._matching(head.host))

    def _tables(self, ports: _Ports, port: int | None) -> list[PathTable]:
        tables = [ports.get(port)]
        if port is not None and (self._any_port or port == 443):
            tables.append(ports.get(None))
        return [table for table in tables if table is not None]

    def _matching(self, host: str) -> Iterator[_Ports]:
        end: Prefix[PrefixIndex[_Hosts]] | None = self._ends.longest(host[::-1])
        while end is not None:
            begin = end.value.longest(host)
            while begin is not None:
                # Both ends may not be the same characters: a*a is not a.
                if len(begin.key) + len(end.key) <= len(host):
                    yield from begin.value.matching(host)
                begin = begin.shorter
            end = end.shorter


class _Hosts:
    """Wildcard hosts that begin alike and end alike."""

    __slots__ = ("_between", "_simple")

    def __init__(self, hosts: dict[str, _Routes]) -> None:
        self._simple: _Ports | None = None
        between: list[tuple[str, _Ports]] = []
        for host, routes in hosts.items():
            if host.count("*") == 1:
                self._simple = _by_port(routes)
            else:
                between.append((".*".join(re.escape(part) for part in host.split("*")), _by_port(routes)))
        self._between = Patterns(between) if between else None

    def matching(self, host: str) -> list[_Ports]:
        found = self._between.matching(host) if self._between is not None else []
        return found if self._simple is None else [self._simple, *found]


def _by_port(routes: _Routes) -> _Ports:
    ports: dict[int | None, _Routes] = {}
    for ranked in routes:
        ports.setdefault(ranked[1].route.port, []).append(ranked)
    return {port: PathTable(found) for port, found in ports.items()}
