"""Which records a query means: one answer for every store (spec/identity §12.3)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from .interfaces import QUERY_LIMIT
from .records import Record


def select(
    records: Iterable[Record], text: str, where: Mapping[str, Any], offset: int, limit: int
) -> tuple[tuple[Record, ...], int]:
    """One page of those ``records`` that match, in their order, and how many match in all."""
    needle = text.casefold()
    page: list[Record] = []
    total = 0
    for record in records:
        if _has_text(record, needle) and _fits(record, where):
            if offset <= total < offset + limit:
                page.append(record)
            total += 1
    return tuple(page), total


def check_page(offset: int, limit: int) -> None:
    """Raises ValueError for a page that cannot be asked for."""
    if offset < 0:
        raise ValueError(f"offset must not be negative: {offset}")
    if not 1 <= limit <= QUERY_LIMIT:
        raise ValueError(f"limit must be 1 to {QUERY_LIMIT}, not {limit}")


def _has_text(record: Record, needle: str) -> bool:
    return needle in record.id.casefold() or any(needle in text.casefold() for text in _strings(record.data))


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _strings(inner)


def _fits(record: Record, where: Mapping[str, Any]) -> bool:
    return all(
        any(_equal(found, wanted) for found in _at(record.data, path)) for path, wanted in where.items()
    )


def _at(value: Any, path: str) -> Iterator[Any]:
    """Every value at the path. Keys may hold dots themselves, as those of flat claims do."""
    if not isinstance(value, Mapping):
        return
    if path in value:
        yield value[path]
    end = path.find(".")
    while end >= 0:
        if path[:end] in value:
            yield from _at(value[path[:end]], path[end + 1 :])
        end = path.find(".", end + 1)


def _equal(found: Any, wanted: Any) -> bool:
    if _same(found, wanted):
        return True
    return isinstance(found, list) and any(_same(member, wanted) for member in found)


def _same(found: Any, wanted: Any) -> bool:
    # JSON's true is not its 1, though Python's is.
    return bool(found == wanted) and isinstance(found, bool) == isinstance(wanted, bool)
