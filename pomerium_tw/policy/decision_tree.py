"""The source of one side of a policy where few conditions decide it: a tree with the answers at its leaves.

Each condition is looked at once at most, and an answer is one number. For sides of more conditions the tree
would grow too large; see :mod:`.generate`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from .normal import Bits, union

MAX_TREE: Final = 4
"""Conditions of a tree at most: 16 leaves. Four rules of two conditions decide in 0.46 instead of 0.56 µs."""

SIGNED_OUT: Final = "identity.session is None"


@dataclass(frozen=True, slots=True)
class Test:
    """A condition of generated code and what it says either way."""

    source: str
    yes: Bits
    """Where it counts as true."""
    no: Bits
    inverted: bool = False
    """It counts as true where the condition does not hold."""

    def true(self, holding: Mapping[str, bool]) -> bool:
        return holding[self.source] is not self.inverted


@dataclass(frozen=True, slots=True)
class Tests:
    """One side: tests that decide alone, and tests that decide together."""

    pool: tuple[Test, ...]
    conjunctions: tuple[tuple[Test, ...], ...]

    @property
    def all(self) -> tuple[Test, ...]:
        return (*self.pool, *(test for each in self.conjunctions for test in each))

    def says(self, holding: Mapping[str, bool], flag: int) -> Bits:
        """What the side comes to, given which conditions hold; ``flag`` marks it as true."""
        pool = [test for test in self.pool if test.true(holding)]
        whole = [each for each in self.conjunctions if all(test.true(holding) for test in each)]
        if pool or whole:
            said = [test.yes for test in (*pool, *(test for each in whole for test in each))]
            return union([Bits.of(flag), *said])
        false = [test for each in self.conjunctions for test in each if not test.true(holding)]
        return union([test.no for test in (*self.pool, *false)])


def tree_lines(action: str, flag: int, tests: Tests) -> list[str]:
    """Statements that set the variable of that name to what the side comes to."""
    conditions = tuple(dict.fromkeys(test.source for test in tests.all))
    return list(_lines(action, _grown(conditions, {}, tests, flag)))


_Tree = Bits | tuple[str, "_Tree", "_Tree"]


def _grown(conditions: tuple[str, ...], holding: Mapping[str, bool], tests: Tests, flag: int) -> _Tree:
    if not conditions:
        return tests.says(holding, flag)
    first, *rest = conditions
    yes, no = (_grown(tuple(rest), {**holding, first: value}, tests, flag) for value in (True, False))
    return yes if yes == no else (first, yes, no)


def _lines(action: str, tree: _Tree) -> Iterator[str]:
    if isinstance(tree, Bits):
        yield f"{action} = {shown(tree)}"
        return
    condition, yes, no = tree
    yield f"if {condition}:"
    yield from (f"    {line}" for line in _lines(action, yes))
    yield "else:"
    yield from (f"    {line}" for line in _lines(action, no))


def shown(bits: Bits) -> str:
    """Source of an expression with that value."""
    if bits.signed_in == bits.anonymous:
        number = [str(bits.signed_in)] if bits.signed_in or not bits.variables else []
    else:
        number = [f"({bits.anonymous} if {SIGNED_OUT} else {bits.signed_in})"]
    return " | ".join([*number, *bits.variables])
