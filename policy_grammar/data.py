"""The YAML/JSON notation: plain data, already decoded, to the tree and back (spec/ppl §1)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from .errors import PolicySyntaxError, did_you_mean
from .limits import MAX_DEPTH, MAX_NODES, MAX_NUMBER_BITS
from .span import NOWHERE, Span
from .tree import ACTIONS, OPERATORS, Criterion, Operator, Path, Policy, Rule

Spans = Callable[[Path], Span]
"""Where the value at a path of the given data stands."""


def nowhere(_path: Path) -> Span:
    """For data whose positions are not known."""
    return NOWHERE


def parse_data(data: Any, spans: Spans = nowhere, name: str = "") -> Policy:
    """A policy from decoded YAML or JSON: an object of rules, or a list of such objects.

    ``spans`` tells where the value at a path of ``data`` stands, for errors. Criteria are not looked up here.
    Raises PolicySyntaxError for every shape that spec/ppl §1 refuses, and for data beyond the limits.
    """
    return Reader(spans).policy(data, name)


def to_data(policy: Policy) -> list[dict[str, Any]]:
    """The policy as data: a list with one object of a single action per rule. The name is not part of it."""
    return [
        {
            rule.action: {
                operator.kind: [_one_key(each) for each in operator.criteria] for operator in rule.operators
            }
        }
        for rule in policy.rules
    ]


def _one_key(criterion: Criterion) -> dict[str, Any]:
    return {criterion.key: _copied(criterion.data)}


def _copied(data: Any) -> Any:
    if isinstance(data, dict):
        return {key: _copied(value) for key, value in data.items()}
    return [_copied(value) for value in data] if isinstance(data, list) else data


def kind_of(value: Any) -> str:
    """What a JSON value is, in words."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, int | float):
        return "a number"
    if isinstance(value, str):
        return "a text"
    if isinstance(value, list | tuple):
        return "a list"
    return "an object" if isinstance(value, Mapping) else f"a {type(value).__name__}"


class Reader:
    """Reads the policies of one piece of data."""

    def __init__(self, spans: Spans) -> None:
        self._spans = spans
        self._nodes = 0
        self.kept: list[Path] = []
        """Where the rules, operators and criteria of the trees stood, parents first."""

    def policy(self, data: Any, name: str = "", base: Path = (), span: Span | None = None) -> Policy:
        """The policy at the path ``base``; ``span`` is the place of its name."""
        if isinstance(data, Mapping):
            rules = self._rules(data, base)
        elif isinstance(data, list | tuple):
            rules = [rule for index, item in enumerate(data) for rule in self._item(item, (*base, index))]
        else:
            raise self._error(base, f"a policy is an object or a list of objects, not {kind_of(data)}")
        return Policy(name, tuple(rules), span or self._spans(base))

    def _item(self, item: Any, path: Path) -> list[Rule]:
        if not isinstance(item, Mapping):
            raise self._error(
                path, f"each item of a policy is an object with allow or deny, not {kind_of(item)}"
            )
        return self._rules(item, path)

    def _rules(self, rules: Mapping[Any, Any], path: Path) -> list[Rule]:
        self._count(path)
        for action in rules:
            if action not in ACTIONS:
                raise self._error(
                    (*path, action), f"unknown action: {action}", did_you_mean(str(action), ACTIONS)
                )
        # One object's rules stand in the order of their names, whatever order they were written in.
        return [self._rule(action, rules[action], (*path, action)) for action in sorted(rules)]

    def _rule(self, action: str, body: Any, path: Path) -> Rule:
        self._count(path)
        if not isinstance(body, Mapping):
            raise self._error(path, f"{action} holds an object of and, or, not, nor; this is {kind_of(body)}")
        self.kept.append(path)
        operators = [
            operator
            for kind, criteria in body.items()
            if kind != "action" and (operator := self._operator(kind, criteria, (*path, kind)))
        ]
        return Rule(action, tuple(operators), self._spans(path))

    def _operator(self, kind: Any, criteria: Any, path: Path) -> Operator | None:
        self._count(path)
        if kind not in OPERATORS:
            raise self._error(path, f"unsupported conditional: {kind}", did_you_mean(str(kind), OPERATORS))
        if not isinstance(criteria, list | tuple):
            raise self._error(path, f"{kind} holds a list of criteria, not {kind_of(criteria)}")
        if not criteria:
            return None
        self.kept.append(path)
        found = [self._criterion(item, (*path, index)) for index, item in enumerate(criteria)]
        return Operator(kind, tuple(found), self._spans(path))

    def _criterion(self, item: Any, path: Path) -> Criterion:
        self._count(path)
        if not isinstance(item, Mapping):
            raise self._error(path, f"a criterion is an object with one key, not {kind_of(item)}")
        if len(item) != 1:
            hint = "write one list item per criterion" if item else ""
            raise self._error(path, f"a criterion is an object with one key; this one has {len(item)}", hint)
        key, value = next(iter(item.items()))
        if not isinstance(key, str):
            raise self._error((*path, key), f"a criterion's name is a text, not {kind_of(key)}")
        name, _, sub_path = key.partition("/")
        base, parts = (*path, key), dict[Path, Span]()
        self.kept.append(base)
        data = self._json(value, base, (), parts)
        return Criterion(name, sub_path, data, self._spans(base), parts)

    def _json(self, value: Any, base: Path, path: Path, parts: dict[Path, Span]) -> Any:
        """A copy of JSON data; anything that JSON cannot carry is refused."""
        here = base + path
        self._count(here)
        parts[path] = self._spans(here)
        if value is None or isinstance(value, bool | str):
            return value
        if isinstance(value, int | float):
            return self._number(value, here)
        if len(path) >= MAX_DEPTH:
            raise self._error(here, f"lists and objects stand more than {MAX_DEPTH} deep inside one another")
        if isinstance(value, list | tuple):
            return [self._json(inner, base, (*path, index), parts) for index, inner in enumerate(value)]
        if not isinstance(value, Mapping):
            raise self._error(here, f"{kind_of(value)} is not a JSON value")
        for key in value:
            if not isinstance(key, str):
                raise self._error((*here, key), f"the keys of an object are texts, not {kind_of(key)}")
        return {key: self._json(inner, base, (*path, key), parts) for key, inner in value.items()}

    def _number(self, value: float, path: Path) -> float:
        fits = value.bit_length() <= MAX_NUMBER_BITS if isinstance(value, int) else math.isfinite(value)
        if not fits:
            raise self._error(path, "this number is not one that JSON can carry")
        return value

    def _count(self, path: Path) -> None:
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise self._error(path, f"the policy holds more than {MAX_NODES:,} values")

    def _error(self, path: Path, message: str, hint: str = "") -> PolicySyntaxError:
        return PolicySyntaxError(message, self._spans(path), hint)
