"""One table of all configuration keys: what the loader accepts and what the manual prints."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from policy_grammar import nearest

from .reference_global import GLOBAL_KEYS
from .reference_key import Key, Status
from .reference_route import ROUTE_KEYS

__all__ = ["GLOBAL", "ROUTE", "Key", "Status", "closest", "environment_names", "is_key"]


def _table(keys: Iterable[Key]) -> Mapping[str, Key]:
    return MappingProxyType({key.name: key for key in keys})


GLOBAL: Mapping[str, Key] = _table(GLOBAL_KEYS)
"""Keys of the top level, by name."""

ROUTE: Mapping[str, Key] = _table(ROUTE_KEYS)
"""Keys of one route, by name."""


def closest(word: str, table: Mapping[str, Key]) -> str | None:
    """The key of the table that a misspelt one most likely stands for; removed keys are never offered."""
    return nearest(word, [name for name, key in table.items() if key.status is not Status.REMOVED])


def environment_names() -> dict[str, tuple[str, ...]]:
    """Environment variable → path of the key that it sets (spec/proxy §1.1)."""
    names: dict[str, tuple[str, ...]] = {}
    for key in GLOBAL.values():
        if not key.env:
            continue
        names[key.env_name or key.name.upper()] = (key.name,)
        for member in key.members:
            names[f"{key.name}_{member}".upper()] = (key.name, member)
    return names


def is_key(name: str) -> bool:
    """Whether a configuration has a key of that name, in force or not."""
    return name in GLOBAL
