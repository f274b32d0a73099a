"""The tree as text in one canonical layout: parsing it gives the same tree, formatting that the same text."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

from .comments import NO_COMMENTS, Comments
from .tree import Criterion, Document, Operator, Path, Policy, Rule

WIDTH: Final = 100
"""Columns that a criterion may fill before its lists and blocks are laid out over several lines."""

_INDENT: Final = "    "
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*|[<>]=?|=")
_KEY: Final = re.compile(r'[A-Za-z_][A-Za-z0-9_.-]*(/[^\s"{}\[\],;#]*)?')
_VALUE_WORDS: Final = frozenset({"true", "false", "null"})


def to_text(*content: Policy | Document) -> str:
    """A document, or policies, as ``.ppl`` text with its comments; "" for nothing.

    Includes come first, a line each; a blank line stands before each policy.
    """
    parts = [part for each in content for part in _parts(each)]
    return "\n".join("".join(f"{line}\n" for line in lines) for lines in parts if lines)


def _parts(content: Policy | Document) -> list[list[str]]:
    """What blank lines stand between."""
    if isinstance(content, Policy):
        return [_policy(content)]
    includes = [
        line for each in content.includes for line in _line(f"include {_quoted(each.path)}", each.comments)
    ]
    end = [*content.comments.before, *_alone(content.comments.beside), *content.comments.last]
    return [includes, *map(_policy, content.policies), end + _alone(content.comments.after)]


def _policy(policy: Policy) -> list[str]:
    head = f"policy {_quoted(policy.name)}" if policy.name else "policy"
    return _block(head, [line for rule in policy.rules for line in _rule(rule)], policy.comments)


def _rule(rule: Rule) -> list[str]:
    if len(rule.operators) == 1:
        (operator,) = rule.operators
        comments = merged(rule.comments, operator.comments)
        if comments is not None:
            return _operator(f"{rule.action} ", operator, comments)
    lines = [line for each in rule.operators for line in _operator("", each, each.comments)]
    return _block(rule.action, lines, rule.comments)


def _operator(before: str, operator: Operator, comments: Comments) -> list[str]:
    lines = [line for criterion in operator.criteria for line in _criterion(criterion)]
    return _block(before + operator.kind, lines, comments)


def _block(head: str, lines: list[str], comments: Comments) -> list[str]:
    inner = [*lines, *comments.last]
    if not inner and not (comments.beside and comments.after):
        return [*comments.before, _with(f"{head} {{}}", comments.beside or comments.after)]
    first, last = _with(f"{head} {{", comments.beside), _with("}", comments.after)
    return [*comments.before, first, *_indented(inner), last]


def _criterion(criterion: Criterion) -> list[str]:
    key, data, comments = criterion.key, criterion.data, criterion.comments
    shown = key if _KEY.fullmatch(key) and key.isprintable() else _quoted(key)
    if data is True and not criterion.sub_path:
        return _line(shown, comments)
    layout = _Data(criterion.inner)
    if isinstance(data, dict) and len(data) == 1:
        name, value = next(iter(data.items()))
        if _NAME.fullmatch(name) and name not in _VALUE_WORDS:
            inner, holds = criterion.inner.get((name,), NO_COMMENTS), isinstance(value, dict | list)
            both = merged(comments, inner if holds else above(inner))
            if both is not None and (holds or one_line(both)):
                return layout.lines(f"{shown} {name} ", value, (name,), both)
    return layout.lines(f"{shown} ", data, (), comments)


class _Data:
    """Lays out the data of one criterion, with the comments of its parts."""

    def __init__(self, inner: Mapping[Path, Comments]) -> None:
        self._inner = inner
        self._broken = {path[:size] for path in inner for size in range(len(path))}
        """The parts that have comments inside them and so need several lines."""

    def lines(self, before: str, value: Any, path: Path, comments: Comments, after: str = "") -> list[str]:
        """The lines of a value; ``before`` stands on its first line, ``after`` on its last one."""
        holds = isinstance(value, list | dict)
        if not holds or (path not in self._broken and one_line(comments)):
            line = before + _flat(value) + after
            if not holds or not value or len(line) <= WIDTH:
                return _line(line, comments)
        inner: list[str] = []
        if isinstance(value, list):
            opened, closed = "[", "]"
            for index, item in enumerate(value):
                inner += self._member("", item, (*path, index), ",")
        else:
            opened, closed = "{", "}"
            for name, item in value.items():
                inner += self._member(f"{_named(name)} ", item, (*path, name), "")
        inner += comments.last
        first, last = _with(before + opened, comments.beside), _with(closed + after, comments.after)
        return [*comments.before, first, *_indented(inner), last]

    def _member(self, before: str, value: Any, path: Path, after: str) -> list[str]:
        return self.lines(before, value, path, self._inner.get(path, NO_COMMENTS), after)


def merged(outer: Comments, inner: Comments) -> Comments | None:
    """The comments of two nodes that are written as one; None where that would change their order."""
    if not inner:
        return outer
    if not outer:
        return inner
    if (outer.beside and (inner.before or inner.beside)) or (inner.after and (outer.last or outer.after)):
        return None
    return Comments(
        outer.before + inner.before,
        outer.beside or inner.beside,
        inner.last + outer.last,
        inner.after or outer.after,
    )


def one_line(comments: Comments) -> bool:
    """Whether a node with these comments fits on one line, comments above it aside."""
    return not comments.last and not (comments.beside and comments.after)


def above(comments: Comments) -> Comments:
    """The comments of a node that fits on one line only: all but the last of them move above it."""
    if one_line(comments):
        return replace(comments, beside=comments.beside or comments.after, after="")
    *lines, last = [*_alone(comments.beside), *comments.last, *_alone(comments.after)]
    return Comments((*comments.before, *lines), last)


def _line(line: str, comments: Comments) -> list[str]:
    if not comments:
        return [line]
    comments = above(comments)
    return [*comments.before, _with(line, comments.beside)]


def _with(line: str, comment: str) -> str:
    return f"{line} {comment}" if comment else line


def _alone(comment: str) -> list[str]:
    return [comment] if comment else []


def _indented(lines: Iterable[str]) -> list[str]:
    return [_INDENT + line if line else "" for line in lines]


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
