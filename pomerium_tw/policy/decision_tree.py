"""The source of one side of a policy where few conditions decide it: a tree with the answers at its leaves.

Each condition is looked at once at most, and an answer is one number. For sides of more conditions the tree
would grow too large; see :mod:`.generate`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

from .normal import Bits, union

MAX_TREE: Final = 4
"""Conditions of a tree at most: 16 leaves. A denial by ten criteria takes 0.50 instead of 0.66 µs."""

MAX_UNION: Final = 100
"""Parts of an expression that are joined one after the other: Python's compiler goes as deep as there are."""

_LARGE: Final = 1 << 1000

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

    @property
    def conditions(self) -> tuple[str, ...]:
        """Each once."""
        return tuple(dict.fromkeys(test.source for test in self.all))

    def true(self, holding: Mapping[str, bool]) -> bool:
        """Whether the side is, given which conditions hold."""
        together = (all(test.true(holding) for test in each) for each in self.conjunctions)
        return any(test.true(holding) for test in self.pool) or any(together)

    def says(self, holding: Mapping[str, bool], flag: int) -> Bits:
        """What the side comes to, given which conditions hold; ``flag`` marks it as true."""
        if self.true(holding):
            alone = [test for test in self.pool if test.true(holding)]
            whole = [each for each in self.conjunctions if all(test.true(holding) for test in each)]
            said = [test.yes for test in (*alone, *(test for each in whole for test in each))]
            return union([Bits.of(flag), *said])
        false = [test for each in self.conjunctions for test in each if not test.true(holding)]
        return union([test.no for test in (*self.pool, *false)])


def whole_tree(action: str, flag: int, tests: Tests) -> list[str]:
    """Statements that set the variable of that name to what the side comes to."""

    def leaf(holding: Mapping[str, bool]) -> tuple[str, ...]:
        return (f"{action} = {shown(tests.says(holding, flag))}",)

    return list(_lines(_grown(tests.conditions, {}, leaf)))


def tree_of_conjunctions(action: str, flag: int, tests: Tests) -> list[str]:
    """The same, with what decides alone tested one after the other: a tree for what decides together.

    It leaves what the conjunctions say if one is true, and else what all would say if nothing else is.
    """
    together = replace(tests, pool=())
    alone = union([test.no for test in tests.pool])

    def tree(of: Callable[[Bits], Bits]) -> list[str]:
        def leaf(holding: Mapping[str, bool]) -> tuple[str, ...]:
            if together.true(holding):
                return (f"{action} = {shown(of(together.says(holding, 0)))}",)
            return f"{action} = 0", f"otherwise = {shown(of(together.says(holding, 0) | alone))}"

        return list(_lines(_grown(together.conditions, {}, leaf)))

    if all(test.yes.same and test.no.same for test in tests.all):
        lines = tree(Bits.signed)
    else:
        lines = [f"if {SIGNED_OUT}:", *_indented(tree(Bits.unsigned)), "else:", *_indented(tree(Bits.signed))]
    lines += [f"if {test.source}: {action} |= {shown(test.yes)}" for test in tests.pool]
    return [*lines, f"if {action}: {action} |= {flag}", f"else: {action} = otherwise"]


_Leaf = tuple[str, ...]
"""Statements."""


@dataclass(frozen=True, slots=True)
class _Fork:
    condition: str
    yes: _Fork | _Leaf
    no: _Fork | _Leaf


def _grown(
    conditions: tuple[str, ...], holding: Mapping[str, bool], leaf: Callable[[Mapping[str, bool]], _Leaf]
) -> _Fork | _Leaf:
    if not conditions:
        return leaf(holding)
    first, rest = conditions[0], conditions[1:]
    yes, no = (_grown(rest, {**holding, first: value}, leaf) for value in (True, False))
    return yes if yes == no else _Fork(first, yes, no)


def _lines(tree: _Fork | _Leaf) -> Iterator[str]:
    if isinstance(tree, tuple):
        yield from tree
        return
    yield f"if {tree.condition}:"
    yield from _indented(_lines(tree.yes))
    yield "else:"
    yield from _indented(_lines(tree.no))


def _indented(lines: Iterable[str]) -> Iterator[str]:
    return (f"    {line}" for line in lines)


def shown(bits: Bits) -> str:
    """Source of an expression with that value."""
    if bits.same:
        first = [number(bits.signed_in)] if bits.signed_in or not bits.variables else []
    else:
        first = [f"({number(bits.anonymous)} if {SIGNED_OUT} else {number(bits.signed_in)})"]
    parts = [*first, *bits.variables]
    while len(parts) > MAX_UNION:
        groups = (parts[begin : begin + MAX_UNION] for begin in range(0, len(parts), MAX_UNION))
        parts = [f"({' | '.join(each)})" for each in groups]
    return " | ".join(parts)


def number(value: int) -> str:
    """Source of a number; a large one, of thousands of reasons, in hexadecimal: Python limits decimals."""
    return str(value) if value < _LARGE else hex(value)
