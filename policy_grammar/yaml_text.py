"""The tree as YAML, in the layout of Pomerium's manual, with its comments.

Every scalar is written so that readers of YAML 1.1 and of YAML 1.2 see the same value in it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from itertools import takewhile
from typing import Any, Final

from .comments import NO_COMMENTS, Comments
from .errors import PolicySyntaxError
from .format import above, one_line
from .span import Span
from .tree import Criterion, Document, Include, Operator, Path, Policy, Rule

_PLAIN: Final = re.compile(r"[A-Za-z_/][A-Za-z0-9_./@+-]*(?: [A-Za-z0-9_./@+-]+)*")
"""Texts that need no quotes, unless they are one of the words below."""

_WORDS: Final = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})
_ESCAPES: Final = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}
_SHORT_INTEGER: Final = 10**18
"""Integers below it are read by everybody; larger ones say their type."""

_LONG_KEY: Final = 1000
"""YAML lets a key that begins a line have 1,024 characters; a longer one needs a question mark."""


def to_yaml(document: Document) -> str:
    """The document as YAML text: Pomerium's shape where that can say it, else ours (document_data).

    Raises PolicySyntaxError for a text with half of a surrogate pair, which no YAML file can hold.
    """
    lines = _plain(document) if document.plain else _ours(document)
    return "".join(f"{line}\n" for line in [*lines, *_all(document.comments)])


def _plain(document: Document) -> list[str]:
    (policy,) = document.policies
    comments = policy.comments
    rules = [line for rule in policy.rules for line in _item(_rule(rule))] or ["[]"]
    return [*comments.before, *_some(comments.beside), *rules, *comments.last, *_some(comments.after)]


def _ours(document: Document) -> list[str]:
    lines: list[str] = []
    if document.includes:
        members = [_item(_include(each)) for each in document.includes]
        lines += [*_section("include", members, apart=False), ""]
    if not document.policies:
        return [*lines, "policies: []"]
    return lines + _section("policies", [_item(_policy(each)) for each in document.policies], apart=True)


def _section(key: str, members: list[list[str]], *, apart: bool) -> list[str]:
    """A key and its list; what is said above the first member stands above the key."""
    head = list(takewhile(_is_comment, members[0]))
    members[0] = members[0][len(head) :]
    lines = [*head, f"{key}:"]
    for index, member in enumerate(members):
        lines += [*([""] if apart and index else []), *_in(member)]
    return lines


def _include(include: Include) -> list[str]:
    comments = above(include.comments)
    return [*comments.before, _with(_text(include.path, include.span), comments.beside)]


def _policy(policy: Policy) -> list[str]:
    comments = policy.comments
    rules = [line for rule in policy.rules for line in _item(_rule(rule))]
    body = ["policy:", *_in(rules)] if rules else ["policy: []"]
    lines = [f"name: {_text(policy.name, policy.span)}", *body] if policy.name else body
    first = _with(lines[0], comments.beside)
    return [*comments.before, first, *lines[1:], *comments.last, *_some(comments.after)]


def _rule(rule: Rule) -> list[str]:
    lines = [line for operator in rule.operators for line in _operator(operator)]
    return _entry(rule.action, lines or "{}", rule.comments)


def _operator(operator: Operator) -> list[str]:
    lines = [line for criterion in operator.criteria for line in _item(_Data(criterion).lines())]
    return _entry(operator.kind, lines, operator.comments)


class _Data:
    """A criterion and the parts of its data."""

    def __init__(self, criterion: Criterion) -> None:
        self._criterion = criterion

    def lines(self) -> list[str]:
        criterion = self._criterion
        key = _text(criterion.key, criterion.span)
        return _entry(key, self._value(criterion.data, ()), criterion.comments)

    def _value(self, value: Any, path: Path) -> str | list[str]:
        """A value that goes on the line of its key, else the lines of a block."""
        if isinstance(value, dict) and value:
            return [line for name, item in value.items() for line in self._named(name, item, (*path, name))]
        if isinstance(value, list) and value:
            return [
                line for index, item in enumerate(value) for line in _item(self._listed(item, (*path, index)))
            ]
        if isinstance(value, dict | list):
            return "{}" if isinstance(value, dict) else "[]"
        return (
            _text(value, self._criterion.where(*path)) if isinstance(value, str) else _number_or_word(value)
        )

    def _named(self, name: str, value: Any, path: Path) -> list[str]:
        key = _text(name, self._criterion.where(*path))
        return _entry(key, self._value(value, path), self._criterion.inner.get(path, NO_COMMENTS))

    def _listed(self, value: Any, path: Path) -> list[str]:
        found, comments = self._value(value, path), self._criterion.inner.get(path, NO_COMMENTS)
        if isinstance(found, str):
            return _inline("", found, comments)
        return [*comments.before, *_some(comments.beside), *found, *comments.last, *_some(comments.after)]


def _entry(key: str, value: str | list[str], comments: Comments) -> list[str]:
    """The lines of a key and its value, or of the value's block below it."""
    colon = f"{key}:"
    if len(key) > _LONG_KEY:
        colon = ":"
        comments = replace(comments, before=(*comments.before, *_some(comments.beside)), beside="")
    if isinstance(value, str):
        lines = _inline(f"{colon} ", value, comments)
    else:
        below = [*value, *comments.last, *_some(comments.after)]
        lines = [*comments.before, _with(colon, comments.beside), *_in(below)]
    if colon == ":":
        at = len(comments.before)
        lines[at:at] = [f"? {key}"]
    return lines


def _inline(before: str, value: str, comments: Comments) -> list[str]:
    """A value on the line of its key. Brackets with nothing but comments in them take several lines."""
    if value in ("{}", "[]") and not one_line(comments):
        first, last = _with(before + value[0], comments.beside), _with(f"  {value[1]}", comments.after)
        return [*comments.before, first, *_in(comments.last), last]
    comments = above(comments)
    return [*comments.before, _with(before + value, comments.beside)]


def _item(lines: list[str]) -> list[str]:
    """Lines as a member of a list; comments above the member stand above its dash."""
    head = list(takewhile(_is_comment, lines))
    first, *rest = lines[len(head) :]
    return [*head, f"- {first}", *_in(rest)]


def _is_comment(line: str) -> bool:
    return not line or line.startswith("#")


def _in(lines: Iterable[str]) -> list[str]:
    return [f"  {line}" if line else "" for line in lines]


def _with(line: str, comment: str) -> str:
    return f"{line} {comment}" if comment else line


def _some(comment: str) -> list[str]:
    return [comment] if comment else []


def _all(comments: Comments) -> list[str]:
    return [*comments.before, *_some(comments.beside), *comments.last, *_some(comments.after)]


def _number_or_word(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int):
        return str(value) if abs(value) < _SHORT_INTEGER else f"!!int {value}"
    # YAML 1.1 knows a float by its point; our own reader takes a short exponent alone without a type.
    mantissa, _, exponent = repr(value).partition("e")
    written = mantissa if "." in mantissa else f"{mantissa}.0"
    if exponent:
        written += f"e{exponent}"
    return f"!!float {written}" if len(exponent) > len("+99") else written


def _text(text: str, span: Span) -> str:
    """A text, in quotes unless nobody could take it for anything else."""
    if _PLAIN.fullmatch(text) and text.lower() not in _WORDS:
        return text
    return f'"{"".join(_escaped(char, span) for char in text)}"'


def _escaped(char: str, span: Span) -> str:
    if char in _ESCAPES:
        return _ESCAPES[char]
    code = ord(char)
    if char.isprintable():
        return char
    if 0xD800 <= code <= 0xDFFF:
        hint = "write the character itself, or both halves as \\ud83d\\ude00"
        raise PolicySyntaxError("half of a surrogate pair cannot be written in YAML", span, hint)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
