"""The routes of one host: the first in file order whose path test holds (spec/proxy §2.4).

A few are tried one after the other. Many stand in an index by what their paths begin with: of ten thousand,
a request looks at the handful that could match, and the earliest of these wins, not the longest.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from .patterns import Patterns, literal_start
from .plan import RoutePlan
from .prefixes import Prefix, PrefixIndex

# Up to so many routes of a host are tried in turn: there the index (1 µs) would cost more than it saves.
FEW = 4

Ranked = tuple[int, RoutePlan | None]
"""A place in file order, and the route there."""

NOTHING: Ranked = (sys.maxsize, None)


class PathTable:
    """Routes with their places in file order, ascending."""

    __slots__ = ("_few", "_index")

    def __init__(self, routes: Sequence[tuple[int, RoutePlan]]) -> None:
        self._few = tuple(routes)
        self._index: PrefixIndex[_Start] | None = None
        # Regular expressions cost 1.5 µs each on their own, and no more together.
        if len(routes) > FEW or sum(bool(plan.route.regex) for _, plan in routes) > 1:
            self._few = ()
            self._index = _index(routes)

    def find(self, path: str) -> RoutePlan | None:
        """The first route whose path test holds."""
        if self._index is not None:
            return self.better(path, NOTHING)[1]
        for _, plan in self._few:
            if plan.matches(path):
                return plan
        return None

    def better(self, path: str, best: Ranked) -> Ranked:
        """The first route whose path test holds, if it stands before ``best``; otherwise ``best``."""
        for ranked in self._few:
            if ranked[0] < best[0] and ranked[1].matches(path):
                return ranked
        node = self._index.longest(path) if self._index is not None else None
        while node is not None and node.value.least < best[0]:
            best = node.value.better(node.key, path, best)
            node = node.shorter
        return best


class _Start:
    """The routes whose paths begin with the same text."""

    __slots__ = ("_always", "_exact", "_patterns", "least")

    def __init__(self, routes: Sequence[tuple[int, RoutePlan]]) -> None:
        """Routes behind one that takes every path with this beginning are never reached, and left out."""
        self._always: Ranked = NOTHING
        self._exact: Ranked = NOTHING
        patterns: list[tuple[str, tuple[int, RoutePlan]]] = []
        for ranked in routes:
            route = ranked[1].route
            if route.regex:
                patterns.append((route.regex, ranked))
            elif route.path:
                self._exact = min(self._exact, ranked, key=_rank)
            else:
                self._always = ranked
                break
        self._patterns = Patterns(patterns) if patterns else None
        self.least = routes[0][0]
        """The earliest place among these routes and those of all shorter beginnings."""

    def better(self, key: str, path: str, best: Ranked) -> Ranked:
        if self._always[0] < best[0]:
            best = self._always
        if self._exact[0] < best[0] and len(key) == len(path):
            best = self._exact
        if self._patterns is not None:
            found = self._patterns.first(path)
            if found is not None and found[0] < best[0]:
                best = found
        return best


def _rank(ranked: Ranked) -> int:
    return ranked[0]


def _index(routes: Sequence[tuple[int, RoutePlan]]) -> PrefixIndex[_Start]:
    starts: dict[str, list[tuple[int, RoutePlan]]] = {}
    for ranked in routes:
        route = ranked[1].route
        start = literal_start(route.regex) if route.regex else route.path or route.prefix or "/"
        starts.setdefault(start, []).append(ranked)
    index = PrefixIndex({start: _Start(found) for start, found in starts.items()})
    for node in index:  # shorter ones come first
        _pass_down(node)
    return index


def _pass_down(node: Prefix[_Start]) -> None:
    if node.shorter is not None:
        node.value.least = min(node.value.least, node.shorter.value.least)
