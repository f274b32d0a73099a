"""The source of a policy's one function.

Reasons are bits. Each operator gathers the bits of its true criteria and of its false ones; which of the two
counts, and to which side, is the table of spec/ppl §2. Operands never enter the source: it names constants.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import Any, Final

from pomerium_tw.model import Identity, Request

from .branches import ARGUMENTS, Branch, Call, Expression, Input, OneOf, Operand
from .environment import Environment
from .evaluation import ALLOWED, DENIED, REASONS, Evaluation, Outcomes, Said

Branches = tuple[Branch, ...]
Evaluate = Callable[[Request, Identity], Evaluation]

_TRUE: Final = {"allow": "allow_true", "deny": "deny_true"}
_FALSE: Final = {"allow": "allow_false", "deny": "deny_false"}
_INVERTED: Final = frozenset({"not", "nor"})
_ANY: Final = frozenset({"or", "not"})
"""Operators that one true criterion settles; ``and`` and ``nor`` are settled by one false criterion."""


class Generator:
    """Collects the operators of a policy, then builds its function."""

    def __init__(self) -> None:
        self._body: list[str] = []
        self._inputs: dict[Input, str] = {}
        self._prelude: list[str] = []
        self._constants: dict[tuple[type, object], str] = {}
        self._bits: dict[tuple[str, Said], int] = {}

    def add(self, action: str, kind: str, criteria: Sequence[Branches]) -> None:
        """One operator of a rule: its result is ORed into the action's."""
        merged = _merged(kind, criteria)
        yes, no = _TRUE[action], _FALSE[action]
        if len(merged) == 1:
            swap = kind in _INVERTED
            self._criterion(action, merged[0], no if swap else yes, yes if swap else no)
            return
        self._body.append("true = false = 0")
        for branches in merged:
            self._criterion(action, branches, "true", "false")
        settled, other = ("true", "false") if kind in _ANY else ("false", "true")
        if kind in ("or", "nor"):
            on_settled, on_other = yes, no
        else:
            on_settled, on_other = no, yes
        self._body += [f"if {settled}: {on_settled} |= {settled}", f"else: {on_other} |= {other}"]

    def build(
        self,
        outcomes: Callable[[Sequence[tuple[str, Said]]], Outcomes],
        failed: Callable[[Exception], Evaluation],
        environment: Environment,
    ) -> tuple[Evaluate, str]:
        """The function and its source. An exception inside it is answered by ``failed``."""
        lines = [
            "def evaluate(request, identity):",
            "    try:",
            "        allow_true = allow_false = deny_true = deny_false = 0",
            *(f"        {line}" for line in self._prelude + self._body),
            f"        allow = allow_true | {ALLOWED} if allow_true else allow_false",
            f"        deny = deny_true | {DENIED} if deny_true else deny_false",
            "        return outcomes[allow | deny]",
            "    except Exception as error:",
            "        return failed(error)",
        ]
        source = "\n".join(lines) + "\n"
        names: dict[str, Any] = {name: value for (_, value), name in self._constants.items()}
        names |= {each.name: getattr(environment, each.name) for each in fields(environment)}
        names |= {"outcomes": outcomes(tuple(self._bits)), "failed": failed}
        names["__builtins__"] = {"Exception": Exception}
        # The source holds our own words, numbers and names of constants: nothing that an author wrote.
        exec(compile(source, "<policy>", "exec"), names)  # noqa: S102
        evaluate: Evaluate = names["evaluate"]
        return evaluate, source

    def _criterion(self, action: str, branches: Branches, yes: str, no: str) -> None:
        """``if``/``elif``/``else`` over the branches, each adding its reason's bit to ``yes`` or ``no``."""
        for index, branch in enumerate(branches):
            effect = f"{yes if branch.value else no} |= {self._bits_of(action, branch)}"
            if branch.when is None:
                self._body.append(effect if index == 0 else f"else: {effect}")
            else:
                self._body.append(f"{'elif' if index else 'if'} {self._condition(branch)}: {effect}")

    def _bits_of(self, action: str, branch: Branch) -> int:
        said: tuple[Said, ...] = (branch.reason, *branch.data)
        return sum(1 << (REASONS + self._bits.setdefault((action, each), len(self._bits))) for each in said)

    def _condition(self, branch: Branch) -> str:
        when = branch.when
        if isinstance(when, OneOf):
            return self._source(when.expression())
        if isinstance(when, tuple):
            return self._source(when)
        assert isinstance(when, Call)  # noqa: S101 - the compiler guards every function
        return f"{self._constant(when.match)}({', '.join(ARGUMENTS[name] for name in when.arguments)})"

    def _source(self, expression: Expression) -> str:
        return "".join(self._piece(piece) for piece in expression)

    def _piece(self, piece: str | Operand | Input) -> str:
        if isinstance(piece, str):
            return piece
        return self._constant(piece.value) if isinstance(piece, Operand) else self._local(piece)

    def _local(self, wanted: Input) -> str:
        if wanted not in self._inputs:
            source = self._source(wanted.source)
            name = self._inputs[wanted] = f"{wanted.name}_{len(self._inputs)}"
            self._prelude.append(f"{name} = {source}")
        return self._inputs[wanted]

    def _constant(self, value: object) -> str:
        # By type too: 1, 1.0 and True are equal and must stay three constants.
        return self._constants.setdefault((type(value), value), f"constant_{len(self._constants)}")


def _merged(kind: str, criteria: Sequence[Branches]) -> list[Branches]:
    """The criteria, those that differ in their first condition alone joined into one.

    This hides no reason: where one criterion settles the operator, joined ones could only add the very reason
    that is there already, and what the others would have answered is not part of the result. Calls are left
    alone, for each has to run: its failure denies.
    """
    joined: dict[tuple[str, Branches], list[Expression | OneOf]] = {}
    merged: dict[Branches, None] = {}
    for branches in criteria:
        first, rest = branches[0], branches[1:]
        if isinstance(first.when, tuple | OneOf) and first.value and not any(each.value for each in rest):
            joined.setdefault((first.reason, rest), []).append(first.when)
        else:
            merged[branches] = None
    for (reason, rest), conditions in joined.items():
        when = conditions[0] if len(conditions) == 1 else _joined(kind, conditions)
        merged[Branch(when, True, reason), *rest] = None
    return list(merged)


def _joined(kind: str, conditions: list[Expression | OneOf]) -> Expression:
    """The conditions as alternatives (``or``, ``not``) or all together (``and``, ``nor``)."""
    expressions: list[Expression] = []
    one_of: dict[Input, frozenset[str]] = {}
    for condition in conditions:
        if not isinstance(condition, OneOf):
            expressions.append(condition)
        elif kind in _ANY:
            one_of[condition.left] = one_of.get(condition.left, frozenset()) | condition.values
        else:
            expressions.append(condition.expression())
    expressions += [OneOf(left, values).expression() for left, values in one_of.items()]
    word = ") or (" if kind in _ANY else ") and ("
    pieces: list[str | Operand | Input] = ["("]
    for expression in expressions:
        pieces += [*expression, word]
    pieces[-1] = ")"
    return tuple(pieces)
