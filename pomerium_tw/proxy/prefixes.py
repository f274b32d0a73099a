"""Which of many strings a text begins with, found in the time that looking for one of them takes."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping
from typing import Generic, TypeVar

T = TypeVar("T")


class Prefix(Generic[T]):
    """One key, what it stands for, and the next shorter key that it begins with itself."""

    __slots__ = ("key", "shorter", "value")

    def __init__(self, key: str, value: T, shorter: Prefix[T] | None) -> None:
        self.key = key
        self.value = value
        self.shorter = shorter


class PrefixIndex(Generic[T]):
    """Keys in sorted order: the longest that a text begins with is the last that is not above the text, or
    one that this one begins with. Ten thousand keys cost fourteen comparisons in C.
    """

    __slots__ = ("_keys", "_nodes")

    def __init__(self, values: Mapping[str, T]) -> None:
        self._keys = sorted(values)
        self._nodes: list[Prefix[T]] = []
        above: Prefix[T] | None = None
        for key in self._keys:
            while above is not None and not key.startswith(above.key):
                above = above.shorter
            above = Prefix(key, values[key], above)
            self._nodes.append(above)

    def longest(self, text: str) -> Prefix[T] | None:
        """The longest key that ``text`` begins with; its ``shorter`` ones follow from there."""
        at = bisect_right(self._keys, text)
        node = self._nodes[at - 1] if at else None
        while node is not None and not text.startswith(node.key):
            node = node.shorter
        return node

    def __iter__(self) -> Iterator[Prefix[T]]:
        """From the shortest to the longest of each branch."""
        return iter(self._nodes)
