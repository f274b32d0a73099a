"""What counts as agreeing with a conformance case.

Lists of reasons are sets; ``X_contains`` is part of the answer's ``X``; of ``headers`` (in any case), ``jwt``
and ``json`` the answer may hold more; ``jwt_absent`` names claims that the answer's ``jwt`` must not have.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

_CONTAINS = "_contains"


def disagreements(expected: Mapping[str, Any], answer: Mapping[str, Any]) -> Iterator[str]:
    """Each expected key that the answer misses, with both values."""
    for key, wanted in expected.items():
        if not _agrees(key, wanted, answer):
            found = answer.get(key.removesuffix(_CONTAINS), answer.get("error"))
            yield f"{key}: {wanted!r} expected, {found!r} found"


def _agrees(key: str, wanted: Any, answer: Mapping[str, Any]) -> bool:
    if key.endswith(_CONTAINS):
        return str(wanted) in str(answer.get(key.removesuffix(_CONTAINS), ""))
    if key == "jwt_absent":
        return not set(wanted) & set(answer.get("jwt", {}))
    if key not in answer:
        # A case may state that there is nothing.
        return wanted is None
    found = answer[key]
    if key.endswith("reasons"):
        return sorted(wanted) == sorted(found)
    if key in ("headers", "jwt", "json") and isinstance(wanted, dict):
        return isinstance(found, dict) and _within(wanted, found, fold=key == "headers")
    return bool(wanted == found and type(wanted) is type(found))


def _within(wanted: Mapping[str, Any], found: Mapping[str, Any], *, fold: bool) -> bool:
    if fold:
        wanted, found = ({name.lower(): value for name, value in each.items()} for each in (wanted, found))
    return all(name in found and found[name] == value for name, value in wanted.items())
