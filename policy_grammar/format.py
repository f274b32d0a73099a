"""The tree as text in one canonical layout: parsing it gives the same tree, formatting that the same text."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Final

from .tree import Criterion, Operator, Policy, Rule

WIDTH: Final = 100
"""Columns that a criterion may fill before its lists and blocks are laid out over several lines."""

_INDENT: Final = "    "
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*|[<>]=?|=")
_KEY: Final = re.compile(r'[A-Za-z_][A-Za-z0-9_.-]*(/[^\s"{}\[\],;#]*)?')
_VALUE_WORDS: Final = frozenset({"true", "false", "null"})


def to_text(*policies: Policy) -> str:
    """The policies as ``.ppl`` text, a blank line between them, ending in a new line ("" for none)."""
    return "\n".join("".join(f"{line}\n" for line in _policy(policy)) for policy in policies)


def _policy(policy: Policy) -> Iterator[str]:
    head = f"policy {_quoted(policy.name)}" if policy.name else "policy"
    return _block(head, [line for rule in policy.rules for line in _rule(rule)])


def _rule(rule: Rule) -> Iterator[str]:
    if len(rule.operators) == 1:
        return _operator(f"{rule.action} ", rule.operators[0])
    return _block(rule.action, [line for operator in rule.operators for line in _operator("", operator)])


def _operator(before: str, operator: Operator) -> Iterator[str]:
    lines = [line for criterion in operator.criteria for line in _criterion(criterion)]
    return _block(before + operator.kind, lines)


def _block(head: str, lines: list[str]) -> Iterator[str]:
    if not lines:
        yield f"{head} {{}}"
        return
    yield f"{head} {{"
    yield from (_INDENT + line for line in lines)
    yield "}"


def _criterion(criterion: Criterion) -> list[str]:
    key, data = criterion.key, criterion.data
    shown = key if _KEY.fullmatch(key) and key.isprintable() else _quoted(key)
    if data is True and not criterion.sub_path:
        return [shown]
    if isinstance(data, dict) and len(data) == 1:
        name, value = next(iter(data.items()))
        if _NAME.fullmatch(name) and name not in _VALUE_WORDS:
            return _value(f"{shown} {name} ", value)
    return _value(f"{shown} ", data)


def _value(before: str, value: Any, after: str = "") -> list[str]:
    """The lines of a value that follows ``before`` on its first line and precedes ``after`` on its last."""
    line = before + _flat(value) + after
    if not value or not isinstance(value, list | dict) or len(line) <= WIDTH:
        return [line]
    inner: list[str] = []
    if isinstance(value, list):
        opened, closed = "[", "]"
        for item in value:
            inner += _value("", item, ",")
    else:
        opened, closed = "{", "}"
        for name, item in value.items():
            inner += _value(f"{_named(name)} ", item)
    return [before + opened, *(_INDENT + each for each in inner), closed + after]


def _flat(value: Any) -> str:
    if isinstance(value, str):
        return _quoted(value)
    if isinstance(value, list):
        return f"[{', '.join(map(_flat, value))}]"
    if isinstance(value, dict):
        entries = ", ".join(f"{_named(name)} {_flat(item)}" for name, item in value.items())
        return f"{{ {entries} }}" if entries else "{}"
    return json.dumps(value)


def _named(name: str) -> str:
    return name if _NAME.fullmatch(name) else _quoted(name)


def _quoted(text: str) -> str:
    """A text in quotes; what a screen would not show as it is becomes an escape."""
    return json.dumps(text, ensure_ascii=not text.isprintable())
