"""The source of a policy's one function.

Reasons are bits. What a side says where it is true is gathered first; what it says where it is false only
if it is. Conditions that would add the same bits stop at the first that settles them: this hides no reason,
and built-in conditions raise nothing (what may raise is computed before them). Operands never enter the
source: it names constants.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any, Final, TypeVar

from policy_grammar import NOWHERE, Span
from pomerium_tw.model import Identity, Request

from .branches import ARGUMENTS, SIGNED_IN, Alternatives, Branch, Call, Expression, Input, Operand
from .decision_tree import MAX_TREE, SIGNED_OUT, Test, Tests, number, shown, tree_of_conjunctions, whole_tree
from .environment import Environment
from .errors import PolicyError
from .evaluation import ALLOWED, DENIED, REASONS, Evaluation, Outcomes, Said
from .normal import Bits, Side, Term, union

Branches = tuple[Branch, ...]
Evaluate = Callable[[Request, Identity], Evaluation]

_INLINE: Final = re.compile(r"inline_\d+_")
_FLAGS: Final = {"allow": ALLOWED, "deny": DENIED}

_K = TypeVar("_K", bound=Hashable)
_V = TypeVar("_V")


class Generator:
    """Collects the operators of a policy, then builds its function."""

    def __init__(self, span: Span = NOWHERE) -> None:
        """``span``: the place of what is compiled, for the error of one that is too large for Python."""
        self._span = span
        self._sides = {"allow": Side(), "deny": Side()}
        self._terms: dict[tuple[str, Branches], Term] = {}
        self._inputs: dict[Input, str] = {}
        self._inline: dict[str, str] = {}
        """Source of an inline input → the name that stands for it until all uses are known."""
        self._prelude: list[str] = []
        self._constants: dict[tuple[type, object], str] = {}
        self._bits: dict[tuple[str, Said], int] = {}
        self._variables = 0

    def add(self, action: str, kind: str, criteria: Sequence[Branches]) -> None:
        """One operator of a rule: its result is ORed into the action's."""
        self._sides[action].add(kind, [self._term(action, each) for each in criteria])

    def build(
        self,
        outcomes: Callable[[Sequence[tuple[str, Said]], dict[int, Evaluation]], Outcomes],
        failed: Callable[[Exception], Evaluation],
        environment: Environment,
    ) -> tuple[Evaluate, str]:
        """The function and its source. An exception inside it is answered by ``failed``.

        Raises PolicyError where Python cannot compile so much.
        """
        body = [line for action, side in self._sides.items() for line in self._side(action, side)]
        lines = [
            "def evaluate(request, identity):",
            "    try:",
            *(f"        {line}" for line in self._settle_inline(self._prelude + body)),
            "        try:",
            "            return known[allow | deny]",
            "        except KeyError:",
            "            return outcomes(allow | deny)",
            "    except Exception as error:",
            "        return failed(error)",
        ]
        source = "\n".join(lines) + "\n"
        # A plain dict answers 40 ns sooner than one with a __missing__ of its own.
        known: dict[int, Evaluation] = {}
        more = {"known": known, "outcomes": outcomes(tuple(self._bits), known), "failed": failed}
        evaluate: Evaluate = self._function("evaluate", source, environment, more)
        return evaluate, source

    def values(self, uses: Sequence[Branches], environment: Environment) -> Callable[..., list[bool]]:
        """A function that tells of each of these criteria whether it holds; it may raise.

        Raises PolicyError as :meth:`build` does.
        """
        terms = [self._term("allow", each) for each in uses]
        found = ", ".join(f"not not {self._one(term.when)}" for term in terms)
        body = self._settle_inline([*self._prelude, f"return [{found}]"])
        source = "\n".join(["def values(request, identity):", *(f"    {line}" for line in body)])
        function: Callable[..., list[bool]] = self._function("values", source, environment, {})
        return function

    def _function(self, name: str, source: str, environment: Environment, more: Mapping[str, Any]) -> Any:
        names: dict[str, Any] = {name: value for (_, value), name in self._constants.items()}
        names |= {each.name: getattr(environment, each.name) for each in fields(environment)}
        names |= {**more, "__builtins__": {"Exception": Exception, "KeyError": KeyError}}
        # The source holds our own words, numbers and names of constants: nothing that an author wrote.
        try:
            code = compile(source, "<policy>", "exec")
        except (RecursionError, MemoryError, SyntaxError, ValueError) as error:
            message = f"Python cannot compile so large a policy: {error!r}"
            raise PolicyError(
                message, self._span, "write fewer criteria, or fewer policies in one"
            ) from error
        exec(code, names)  # noqa: S102
        return names[name]

    def _settle_inline(self, lines: Sequence[str]) -> list[str]:
        """Inline inputs in the place of their names, but for those used twice: they become variables, set
        before the statement that uses them first.

        A policy of 100 criteria on a few claims is a quarter faster for it.
        """
        used = Counter(name for line in lines for name in _INLINE.findall(line))
        sources = {name: source for source, name in self._inline.items()}
        settled: list[str] = []
        begin = 0
        known: set[str] = set()
        for line in lines:
            if not line.startswith((" ", "elif", "else")):
                begin = len(settled)
            for name in _INLINE.findall(line):
                if used[name] > 1 and name not in known:
                    known.add(name)
                    settled.insert(begin, f"{name} = {sources[name]}")
            settled.append(_INLINE.sub(lambda found: _once(found[0], used, sources), line))
        return settled

    def _side(self, action: str, side: Side) -> list[str]:
        tests = self._tests(side)
        if not any(test.yes.variables or test.no.variables for test in tests.all):
            if len(tests.conditions) <= MAX_TREE:
                return whole_tree(action, _FLAGS[action], tests)
            if 0 < len(replace(tests, pool=()).conditions) <= MAX_TREE:
                return tree_of_conjunctions(action, _FLAGS[action], tests)
        lines = [f"{action} = 0"]
        lines += [f"if {test.source}: {action} |= {shown(test.yes)}" for test in tests.pool]
        whole = _grouped((union([test.yes for test in each]), each) for each in tests.conjunctions)
        for bits, conjunctions in whole:
            condition = " or ".join(f"({_all(each)})" for each in conjunctions)
            lines.append(f"if {condition}: {action} |= {shown(bits)}")
        lines.append(f"if {action}: {action} |= {_FLAGS[action]}")
        return lines + _otherwise(action, tests)

    def _tests(self, side: Side) -> Tests:
        pool = _grouped(((term.yes, term.no), term) for term in side.pool)
        return Tests(
            tuple(Test(self._any(terms), yes, no) for (yes, no), terms in pool),
            tuple(
                tuple(Test(self._one(each.when), each.yes, each.no, each.inverted) for each in terms)
                for terms in side.conjunctions
            ),
        )

    def _term(self, action: str, branches: Branches) -> Term:
        """The term of a criterion; what is not a plain yes or no is settled by statements before."""
        key = (action, branches)
        if key not in self._terms:
            self._terms[key] = self._plain(action, branches) or self._settled(action, branches)
        return self._terms[key]

    def _plain(self, action: str, branches: Branches) -> Term | None:
        first, last = branches[0], branches[-1]
        bits = [self._bits_of(action, branch) for branch in branches]
        if len(branches) == 1:
            return Term(("True",) if first.value else ("False",), Bits.of(bits[0]), Bits.of(bits[0]))
        if not first.value or any(branch.value for branch in branches[1:]) or first.when is None:
            return None
        if len(branches) == 2:
            return Term(self._condition(first), Bits.of(bits[0]), Bits.of(bits[1]))
        if len(branches) == 3 and branches[1].when == SIGNED_IN and last.when is None:
            return Term(self._condition(first), Bits.of(bits[0]), Bits(bits[1], bits[2]))
        return None

    def _settled(self, action: str, branches: Branches) -> Term:
        """A criterion of several answers: the first that fits leaves its bits in one of two variables."""
        yes, no = self._variable("yes"), self._variable("no")
        lines = [f"{yes} = {no} = 0"]
        for index, branch in enumerate(branches):
            effect = f"{yes if branch.value else no} = {number(self._bits_of(action, branch))}"
            if branch.when is None:
                lines.append(effect if index == 0 else f"else: {effect}")
            else:
                condition = self._source(self._pieces(branch.when))
                lines.append(f"{'elif' if index else 'if'} {condition}: {effect}")
        self._prelude += lines
        return Term((yes,), Bits(variables=(yes,)), Bits(variables=(no,)))

    def _bits_of(self, action: str, branch: Branch) -> int:
        said: tuple[Said, ...] = (branch.reason, *branch.data)
        return sum(1 << (REASONS + self._bits.setdefault((action, each), len(self._bits))) for each in said)

    def _condition(self, branch: Branch) -> Expression | Alternatives:
        """The condition as terms have it. Calls are made before all else: one that fails denies."""
        if isinstance(branch.when, Alternatives | tuple):
            return branch.when
        variable = self._variable("called")
        self._prelude.append(f"{variable} = {self._source(self._pieces(branch.when))}")
        return (variable,)

    def _pieces(self, when: object) -> Expression:
        if isinstance(when, Alternatives):
            return when.expression()
        if isinstance(when, tuple):
            return when
        assert isinstance(when, Call)  # noqa: S101 - the compiler guards every function
        arguments = [f"{name}=" * when.named + ARGUMENTS[name] for name in when.arguments]
        return (Operand(when.match), f"({', '.join(arguments)})")

    def _variable(self, stem: str) -> str:
        self._variables += 1
        return f"{stem}_{self._variables}"

    def _any(self, terms: Sequence[Term]) -> str:
        """Source of the condition that one of the terms counts as true."""
        straight = [term.when for term in terms if not term.inverted]
        inverted = [term.when for term in terms if term.inverted]
        conditions = [self._one(each) for each in _merged(straight)]
        if inverted:
            conditions.append(f"not ({' and '.join(self._one(each) for each in inverted)})")
        return " or ".join(conditions)

    def _one(self, when: Expression | Alternatives) -> str:
        """In brackets: no condition has to know what it will stand beside."""
        return f"({self._source(self._pieces(when))})"

    def _source(self, expression: Expression) -> str:
        return "".join(self._piece(piece) for piece in expression)

    def _piece(self, piece: str | Operand | Input) -> str:
        if isinstance(piece, str):
            return piece
        return self._constant(piece.value) if isinstance(piece, Operand) else self._local(piece)

    def _local(self, wanted: Input) -> str:
        if wanted.inline:
            source = self._source(wanted.source)
            return self._inline.setdefault(source, f"inline_{len(self._inline)}_")
        if wanted not in self._inputs:
            source = self._source(wanted.source)
            name = self._inputs[wanted] = f"{wanted.name}_{len(self._inputs)}"
            self._prelude.append(f"{name} = {source}")
        return self._inputs[wanted]

    def _constant(self, value: object) -> str:
        # By type too: 1, 1.0 and True are equal and must stay three constants.
        return self._constants.setdefault((type(value), value), f"constant_{len(self._constants)}")


def _otherwise(action: str, tests: Tests) -> list[str]:
    """What a side says that is not true; for callers without a session, and for others."""
    bits = [test.no for test in tests.all]
    if all(each.same for each in bits):
        return ["else:", *_false(action, tests, Bits.signed)]
    return [
        f"elif {SIGNED_OUT}:",
        *_false(action, tests, Bits.unsigned),
        "else:",
        *_false(action, tests, Bits.signed),
    ]


def _false(action: str, tests: Tests, of: Callable[[Bits], Bits]) -> list[str]:
    lines = [f"    {action} = {shown(union([of(test.no) for test in tests.pool]))}"]
    parts = dict.fromkeys(test for each in tests.conjunctions for test in each)
    for bits, alike in _grouped((of(test.no), test) for test in parts):
        lines.append(f"    if not ({_all(alike)}): {action} |= {shown(bits)}")
    return lines


def _all(tests: Sequence[Test]) -> str:
    return " and ".join(f"not {each.source}" if each.inverted else each.source for each in tests)


def _once(name: str, used: Mapping[str, int], sources: Mapping[str, str]) -> str:
    return name if used[name] > 1 else sources[name]


def _grouped(pairs: Iterable[tuple[_K, _V]]) -> Iterable[tuple[_K, list[_V]]]:
    """Values by key, in the order of first appearance."""
    groups: dict[_K, list[_V]] = {}
    for key, value in pairs:
        groups.setdefault(key, []).append(value)
    return groups.items()


def _merged(conditions: Sequence[Expression | Alternatives]) -> list[Expression]:
    """The conditions as alternatives, those that test one input in one way joined."""
    merged: list[Expression] = []
    groups: dict[Alternatives, set[str]] = {}
    for each in conditions:
        if isinstance(each, Alternatives):
            key = Alternatives(each.test, each.left, frozenset(), each.optional)
            groups.setdefault(key, set()).update(each.values)
        else:
            merged.append(each)
    joined = (
        Alternatives(key.test, key.left, frozenset(values), key.optional).expression()
        for key, values in groups.items()
    )
    return [*joined, *merged]
