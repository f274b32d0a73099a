"""Many regular expressions asked at once: which of them match a text in full, for the price of one.

RE2 joins them to one automaton; where they do not fit into one, halves of them are joined. Where an automaton
grows past its memory when it is asked, RE2 says nothing but that nothing matches; a route would be passed
over and a later one, with another policy, would answer. So a pattern that matches everything stands among
them: when it is missing from the answer, the patterns are tried one by one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Generic, TypeVar

import re2
from twisted.logger import Logger

log = Logger("pomerium.proxy")

T = TypeVar("T")

MAX_AUTOMATON_BYTES = 256 * 1024 * 1024
"""Most memory that patterns joined to one automaton may take; filled only by what requests make of it.
Patterns that do not fit are divided into several."""
MAX_LITERAL_BYTES = 128
"""How much of the text that every match begins with is looked for in a pattern."""
_ANYTHING = "(?s).*"


class Patterns(Generic[T]):
    """Values behind RE2 patterns, in the order given."""

    __slots__ = ("_automata",)

    def __init__(self, patterns: Sequence[tuple[str, T]]) -> None:
        self._automata = _automata(patterns)
        if len(self._automata) > 1:
            # Each costs every request that gets so far 1 µs and more, and memory of its own.
            log.warn(
                "{count} large regular expressions do not fit into one automaton and are asked in {parts} "
                "parts: requests take longer. The first of them is {first}",
                count=len(patterns),
                parts=len(self._automata),
                first=patterns[0][0],
            )

    def first(self, text: str) -> T | None:
        """The value of the first pattern that is ``text`` in full."""
        for automaton in self._automata:
            found = automaton.indexes(text)
            if found:
                return automaton.values[min(found)]
        return None

    def matching(self, text: str) -> list[T]:
        """The values of all patterns that are ``text`` in full."""
        return [
            automaton.values[index]
            for automaton in self._automata
            for index in sorted(automaton.indexes(text))
        ]


class _Automaton(Generic[T]):
    """Patterns that are asked together, and how to ask them when that fails."""

    __slots__ = ("_alone", "_patterns", "_set", "values")

    def __init__(self, patterns: Sequence[tuple[str, T]], joined: Any) -> None:
        self._patterns = [pattern for pattern, _ in patterns]
        self.values = [value for _, value in patterns]
        self._set = joined
        self._alone: list[Any] = []
        """The same, each compiled on its own; from the first time on that they cannot be asked together."""

    def indexes(self, text: str) -> list[int]:
        """Which of the patterns are ``text`` in full."""
        found: list[int] | None = self._set.Match(text) if self._set is not None else None
        if found is None or len(self.values) not in found:
            alone = self._alone = self._alone or [re2.compile(each, _options()) for each in self._patterns]
            return [index for index, pattern in enumerate(alone) if pattern.fullmatch(text) is not None]
        found.remove(len(self.values))
        return found


def _automata(patterns: Sequence[tuple[str, T]]) -> tuple[_Automaton[T], ...]:
    """As few as there can be by halving."""
    joined = _joined([pattern for pattern, _ in patterns])
    if joined is None and len(patterns) > 1:
        half = len(patterns) // 2
        return _automata(patterns[:half]) + _automata(patterns[half:])
    return (_Automaton(patterns, joined),)


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
