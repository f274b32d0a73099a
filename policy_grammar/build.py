"""From the parser's tree to ours: words are checked here, texts and numbers get their values."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any, Final, cast

from lark import Token, Tree

from .comments import Extent, Key
from .errors import PolicySyntaxError, did_you_mean
from .limits import MAX_DEPTH, MAX_NUMBER_BITS, too_deep
from .span import Span
from .tree import ACTIONS, OPERATORS, Criterion, Document, Include, Operator, Path, Policy, Rule

Node = Tree[Token] | Token

DECLARATIONS: Final = ("include", "policy")
_WORDS: Final = {"TRUE": True, "FALSE": False, "NULL": None}
_MAX_DIGITS: Final = 400
"""Longest number as written; every double and every 1,024-bit integer is shorter."""


def _parts(node: Node) -> list[Node]:
    return [*node.children] if isinstance(node, Tree) else []


def _first(node: Node) -> Token:
    """The first word or bracket of a list, an object, an entry or a scalar."""
    return node if isinstance(node, Token) else _first(node.children[0])


def _last(node: Node) -> Token:
    return node if isinstance(node, Token) else _last(node.children[-1])


class Builder:
    """Builds the document of one text. Raises PolicySyntaxError without a source line."""

    def __init__(self, file: str, *, mark: bool = False) -> None:
        self._file = file
        self._mark = mark
        self.extents: list[Extent] = []
        """Where each node begins and ends; gathered only when there are comments to attach."""

    def document(self, tree: Tree[Token]) -> Document:
        """Every declaration of the text, in order."""
        includes: list[Include] = []
        policies: list[Policy] = []
        for node in tree.children:
            each = cast("Tree[Token]", node)
            if each.data == "include":
                includes.append(self._include(each, ("include", len(includes))))
            else:
                policies.append(self._policy(each, ("policy", len(policies))))
        refuse_twins(policies)
        return Document(tuple(includes), tuple(policies))

    def _include(self, tree: Tree[Token], key: Key) -> Include:
        word, written = cast("list[Token]", tree.children)
        keyword = self._known(word, DECLARATIONS, "declaration")
        path, place = self._text(written), self._span(written)
        if keyword == "policy":
            hint = f"its rules stand in a block: policy {written} {{ … }}"
            raise PolicySyntaxError("this policy has no block", place, hint)
        if not path:
            raise PolicySyntaxError("an include names a file", place)
        self._extent(key, word, written)
        return Include(path, place)

    def _policy(self, tree: Tree[Token], key: Key) -> Policy:
        word, name, opening, *rules, closing = tree.children
        keyword = self._known(word, DECLARATIONS, "declaration")
        if keyword == "include":
            hint = 'one line, without a block: include "shared/common.ppl"'
            raise PolicySyntaxError("an include names a file and nothing else", self._span(keyword), hint)
        title = self._text(cast("Token", name)) if name is not None else ""
        place = self._span(cast("Token", name if name is not None else keyword))
        self._extent(key, keyword, closing, opening)
        built = (self._rule(cast("Tree[Token]", rule), (*key, index)) for index, rule in enumerate(rules))
        return Policy(title, tuple(built), place)

    def _rule(self, tree: Tree[Token], key: Key) -> Rule:
        action = self._known(tree.children[0], ACTIONS, "action")
        if tree.data == "short_rule":
            _, *parts = tree.children
            self._extent(key, action, parts[-1], parts[1])
            short = self._operator(parts, (*key, 0), key)
            return Rule(str(action), (short,) if short else (), self._span(action))
        _, opening, *each_operator, closing = tree.children
        self._extent(key, action, closing, opening)
        operators: dict[str, Operator] = {}
        for each in each_operator:
            operator = self._operator(_parts(each), (*key, len(operators)))
            if operator and operator.kind in operators:
                hint = "put their criteria into one, or write two rules"
                raise PolicySyntaxError(f"{operator.kind} stands twice in this rule", operator.span, hint)
            if operator:
                operators[operator.kind] = operator
        return Rule(str(action), tuple(operators.values()), self._span(action))

    def _operator(self, parts: Sequence[Node], key: Key, head: Key | None = None) -> Operator | None:
        """From a word, a bracket, criteria, a bracket; ``head`` is the node whose line it shares."""
        word, opening, criteria, closing = parts
        kind = self._known(word, OPERATORS, "operator")
        if not _parts(criteria):
            return None
        self._extent(key, kind, closing, opening, head)
        found = [
            self._criterion(cast("Tree[Token]", each), (*key, at)) for at, each in enumerate(_parts(criteria))
        ]
        return Operator(str(kind), tuple(found), self._span(kind))

    def _criterion(self, tree: Tree[Token], key: Key) -> Criterion:
        first, *rest = tree.children
        token = cast("Token", first)
        written = self._text(token) if token.type == "STRING" else str(token)
        name, _, sub_path = written.partition("/")
        parts: dict[Path, Span] = {}
        data: Any = True
        self._extent(key, token, rest[-1] if rest else token)
        if tree.data == "plain":
            data = self._value(rest[0], (), parts, key)
        elif tree.data == "operated":
            operator = cast("Token", rest[0])
            parts[()] = self._span(operator)
            data = {str(operator): self._value(rest[1], (str(operator),), parts, key)}
        if too_deep(data):
            raise PolicySyntaxError(
                f"lists and objects stand more than {MAX_DEPTH} deep here", self._span(token)
            )
        return Criterion(name, sub_path, data, self._span(token), parts)

    def _value(self, node: Node, path: Path, parts: dict[Path, Span], key: Key) -> Any:
        parts[path] = self._span(_first(node))
        if isinstance(node, Token):
            return self._scalar(node)
        if node.data == "list":
            return self._list(node, path, parts, key)
        return self._object(node, path, parts, key)

    def _list(self, node: Tree[Token], path: Path, parts: dict[Path, Span], key: Key) -> list[Any]:
        data = []
        for index, item in enumerate(node.children[1:-1]):
            at = (*path, index)
            self._extent((*key, *at), item, item)
            data.append(self._value(item, at, parts, key))
        return data

    def _object(self, node: Tree[Token], path: Path, parts: dict[Path, Span], key: Key) -> dict[str, Any]:
        data: dict[str, Any] = {}
        for entry in node.children[1:-1]:
            first, value = _parts(entry)
            token = cast("Token", first)
            name = self._text(token) if token.type == "STRING" else str(token)
            if name in data:
                raise PolicySyntaxError(f"{name!r} stands twice in this block", self._span(token))
            at = (*path, name)
            self._extent((*key, *at), token, value)
            data[name] = self._value(value, at, parts, key)
        return data

    def _scalar(self, token: Token) -> Any:
        if token.type == "STRING":
            return self._text(token)
        return _WORDS[token.type] if token.type in _WORDS else self._number(token)

    def _text(self, token: Token) -> str:
        try:
            return str(json.loads(token))
        except ValueError:
            hint = r"escapes are those of JSON: \" \\ \/ \b \f \n \r \t \u0041"
            raise PolicySyntaxError(
                "a control character, or an escape that is not known", self._span(token), hint
            ) from None

    def _number(self, token: Token) -> float:
        value: float = json.loads(token) if len(token) <= _MAX_DIGITS else math.inf
        if value.bit_length() > MAX_NUMBER_BITS if isinstance(value, int) else not math.isfinite(value):
            raise PolicySyntaxError("this number is too large", self._span(token))
        return value

    def _known(self, word: Node, known: tuple[str, ...], what: str) -> Token:
        token = cast("Token", word)
        if token not in known:
            raise PolicySyntaxError(f"unknown {what}: {token}", self._span(token), did_you_mean(token, known))
        return token

    def _span(self, token: Token) -> Span:
        return Span(self._file, token.line or 0, token.column or 0)

    def _extent(
        self, key: Key, first: Node, last: Node, opening: Node | None = None, head: Key | None = None
    ) -> None:
        """Remember a node from its first word to its last; its block begins at ``opening`` or its value."""
        if not self._mark:
            return
        begin, end = _first(first), _last(last)
        if opening is None and isinstance(last, Tree):
            opening = _first(last)
        inside = None if opening is None else _first(opening)
        self.extents.append(
            Extent(
                key,
                (begin.line or 0, begin.column or 0),
                (end.end_line or 0, end.end_column or 0),
                None if inside is None else (inside.end_line or 0, inside.end_column or 0),
                head=head,
            )
        )


def refuse_twins(policies: list[Policy]) -> None:
    """A name, or no name, belongs to one policy of a text."""
    found: dict[str, Policy] = {}
    for policy in policies:
        first = found.setdefault(policy.name, policy)
        if first is not policy:
            where = f"; the first stands at {first.span}" if first.span.file else ""
            which = f"of the name {policy.name!r}" if policy.name else "without a name"
            raise PolicySyntaxError(f"a second policy {which}{where}", policy.span)
