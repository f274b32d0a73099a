"""Many regular expressions asked at once: which of them match a text in full, for the price of one.

RE2 joins them to one automaton. Where that grows past its memory, RE2 says nothing but that nothing matches;
a route would be passed over and a later one, with another policy, would answer. So a pattern that matches
everything stands among them: when it is missing from the answer, the patterns are tried one by one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Generic, TypeVar

import re2

T = TypeVar("T")

MAX_AUTOMATON_BYTES = 256 * 1024 * 1024
"""Most memory that the joined patterns of one host may take; filled only by what requests make of it."""
MAX_LITERAL_BYTES = 128
"""How much of the text that every match begins with is looked for in a pattern."""
_ANYTHING = "(?s).*"


class Patterns(Generic[T]):
    """Values behind RE2 patterns, in the order given."""

    __slots__ = ("_patterns", "_set", "_values")

    def __init__(self, patterns: Sequence[tuple[str, T]]) -> None:
        self._patterns = [pattern for pattern, _ in patterns]
        self._values = [value for _, value in patterns]
        self._set = _joined(self._patterns)

    def first(self, text: str) -> T | None:
        """The value of the first pattern that is ``text`` in full."""
        found = self._indexes(text)
        return self._values[min(found)] if found else None

    def matching(self, text: str) -> list[T]:
        """The values of all patterns that are ``text`` in full."""
        return [self._values[index] for index in sorted(self._indexes(text))]

    def _indexes(self, text: str) -> list[int]:
        found: list[int] | None = self._set.Match(text) if self._set is not None else None
        if found is None or len(self._values) not in found:
            return [
                index
                for index, pattern in enumerate(self._patterns)
                if re2.compile(pattern, _options()).fullmatch(text) is not None
            ]
        found.remove(len(self._values))
        return found


def _joined(patterns: Sequence[str]) -> Any:
    """All of them and the one that matches everything; None if they do not fit into memory."""
    options = _options()
    options.max_mem = MAX_AUTOMATON_BYTES
    joined = re2.Set.FullMatchSet(options)
    for pattern in (*patterns, _ANYTHING):
        joined.Add(pattern)
    try:
        joined.Compile()
    except re2.error:
        return None
    return joined


def _options() -> Any:
    options = re2.Options()
    options.log_errors = False
    return options


def literal_start(pattern: str) -> str:
    """The text that every full match of ``pattern`` begins with, as far as RE2 can tell; may be empty."""
    try:
        low, high = re2.compile(pattern, _options()).possiblematchrange(MAX_LITERAL_BYTES)
    except re2.error:
        return ""
    # All matches lie between the two: what both begin with, so does everything between.
    same = 0
    while same < min(len(low), len(high)) and low[same] == high[same]:
        same += 1
    common: bytes = low[:same]
    return common.decode("utf-8", "ignore")
