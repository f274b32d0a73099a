"""Sorting the keys of a configuration by what the reference says of them, before any value is decoded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from policy_grammar import Span

from .document import Document
from .misnamed import hint_for
from .positions import KeyPath
from .problem import Problem
from .reference import GLOBAL, ROUTE, Key, Status
from .values import kind_of

ROUTE_LISTS = ("policy", "routes")
"""The keys that hold routes, in matching order."""


@dataclass(frozen=True, slots=True)
class _Level:
    """The top level or that of a route: its keys and its words."""

    table: Mapping[str, Key]
    other: Mapping[str, Key]
    what: str
    elsewhere: str


_TOP = _Level(GLOBAL, ROUTE, "key", "it belongs into a route")
_IN_ROUTE = _Level(ROUTE, GLOBAL, "route key", "it belongs to the top level")


class Triage:
    """What is left to decode, and what the names of keys alone told. Null is as good as absent."""

    def __init__(self, document: Document) -> None:
        self._positions = document.positions
        self._ignored: dict[tuple[str, str], list[Span]] = {}
        self._faults: dict[tuple[str, str], tuple[str, str]] = {}
        """Level and name of a key → message and hint. Finding them is slow, and aliases ask again."""
        self.problems: list[Problem] = []
        self.warnings: list[Problem] = []
        self.refused: set[KeyPath] = set()
        """Paths of keys that are errors by themselves."""
        self.settings: dict[str, Any] = self._keys(document.data, (), _TOP)
        """Top-level keys in force, but for the lists of routes."""
        self.routes: list[tuple[KeyPath, dict[str, Any]]] = []
        """Path and keys in force of each route, in matching order."""
        for name in ROUTE_LISTS:
            self._sort_routes(name, self.settings.pop(name, []))
        for level in (_TOP, _IN_ROUTE):
            self._warn_of_ignored(level)

    def _sort_routes(self, name: str, value: Any) -> None:
        if not isinstance(value, list):
            message = f"{name} is a list of routes, not {kind_of(value)}"
            self.problems.append(
                Problem(self._positions.value((name,)), message, "begin each route with - from:")
            )
            return
        for index, route in enumerate(value):
            path: KeyPath = (name, index)
            if isinstance(route, dict):
                self.routes.append((path, self._keys(route, path, _IN_ROUTE)))
            else:
                message = f"a route is a mapping of keys to values, not {kind_of(route)}"
                self.problems.append(Problem(self._positions.value(path), message))

    def _keys(self, data: Mapping[str, Any], at: KeyPath, level: _Level) -> dict[str, Any]:
        """The keys in force; of all others, note what is to be said."""
        kept: dict[str, Any] = {}
        for name, value in data.items():
            key, path = level.table.get(name), (*at, name)
            if key is None or _stops(key, value):
                fault = (level.what, name)
                if fault not in self._faults:
                    self._faults[fault] = _error(name, key, level)
                self.problems.append(Problem(self._positions.key(path), *self._faults[fault]))
                self.refused.add(path)
            elif key.status in {Status.BUILT, Status.OURS}:
                if value is not None:
                    kept[name] = value
            elif key.status is not Status.REFUSED:
                self._ignored.setdefault((level.what, name), []).append(self._positions.key(path))
        return kept

    def _warn_of_ignored(self, level: _Level) -> None:
        """One line for each key, at its first place."""
        for (what, name), spans in self._ignored.items():
            if what != level.what:
                continue
            key = level.table[name]
            also = "" if len(spans) == 1 else f" (here and in {len(spans) - 1} other places)"
            if key.status is Status.FOREIGN:
                message = f"the {what} {name} has no effect{also}: {key.text}"
            else:
                message = f"the {what} {name} is not built yet: ignored{also}"
            self.warnings.append(Problem(spans[0], message))


def _stops(key: Key, value: Any) -> bool:
    """Whether the key alone is an error: removed, or refused and asking for what would be missed."""
    if key.status is Status.REMOVED:
        return True
    if key.status is not Status.REFUSED or value is None or value is False or value in ("", [], {}):
        return False
    return not (isinstance(value, str) and value.lower() in key.harmless)


def _error(name: str, key: Key | None, level: _Level) -> tuple[str, str]:
    """Message and hint."""
    if key is not None and key.status is Status.REMOVED:
        return f"the {level.what} {name} was removed", key.text
    if key is not None:
        message = f"the {level.what} {name} is not built yet, and ignoring it would open the door"
        return message, "remove it once you have made sure that nobody is kept out by it"
    if name in level.other:
        return f"{name} is not a {level.what}", level.elsewhere
    return f"there is no {level.what} {name}", hint_for(name, level.table)
