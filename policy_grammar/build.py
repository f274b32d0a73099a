"""From the parser's tree to ours: words are checked here, texts and numbers get their values."""

from __future__ import annotations

import json
import math
from typing import Any, Final, cast

from lark import Token, Tree

from .errors import PolicySyntaxError, did_you_mean
from .limits import MAX_DEPTH, MAX_NUMBER_BITS, too_deep
from .span import Span
from .tree import ACTIONS, OPERATORS, Criterion, Operator, Path, Policy, Rule

Node = Tree[Token] | Token

DECLARATIONS: Final = ("policy",)
_WORDS: Final = {"TRUE": True, "FALSE": False, "NULL": None}
_MAX_DIGITS: Final = 400
"""Longest number as written; every double and every 1,024-bit integer is shorter."""


def _parts(node: Node) -> list[Node]:
    return [*node.children] if isinstance(node, Tree) else []


class Builder:
    """Builds the policies of one text. Raises PolicySyntaxError without a source line."""

    def __init__(self, file: str) -> None:
        self._file = file

    def policies(self, tree: Tree[Token]) -> tuple[Policy, ...]:
        """Every declaration of the text, in order."""
        found: dict[str, Policy] = {}
        for declaration in tree.children:
            policy = self._policy(cast("Tree[Token]", declaration))
            if policy.name in found:
                first = found[policy.name].span
                raise PolicySyntaxError(
                    f"a second policy of the name {policy.name!r}; the first stands at {first}", policy.span
                )
            found[policy.name] = policy
        return tuple(found.values())

    def _policy(self, tree: Tree[Token]) -> Policy:
        word, name, *rules = tree.children
        keyword = self._known(word, DECLARATIONS, "declaration")
        title = self._text(cast("Token", name)) if name is not None else ""
        place = self._span(cast("Token", name if name is not None else keyword))
        return Policy(title, tuple(self._rule(cast("Tree[Token]", rule)) for rule in rules), place)

    def _rule(self, tree: Tree[Token]) -> Rule:
        action = self._known(tree.children[0], ACTIONS, "action")
        if tree.data == "short_rule":
            short = self._operator(tree.children[1], tree.children[2])
            return Rule(str(action), (short,) if short else (), self._span(action))
        operators: dict[str, Operator] = {}
        for each in tree.children[1:]:
            word, criteria = _parts(each)
            operator = self._operator(word, criteria)
            if operator and operator.kind in operators:
                hint = "put their criteria into one, or write two rules"
                raise PolicySyntaxError(f"{operator.kind} stands twice in this rule", operator.span, hint)
            if operator:
                operators[operator.kind] = operator
        return Rule(str(action), tuple(operators.values()), self._span(action))

    def _operator(self, word: Node, criteria: Node) -> Operator | None:
        kind = self._known(word, OPERATORS, "operator")
        found = tuple(self._criterion(cast("Tree[Token]", each)) for each in _parts(criteria))
        return Operator(str(kind), found, self._span(kind)) if found else None

    def _criterion(self, tree: Tree[Token]) -> Criterion:
        key, *rest = tree.children
        key = cast("Token", key)
        written = self._text(key) if key.type == "STRING" else str(key)
        name, _, sub_path = written.partition("/")
        parts: dict[Path, Span] = {}
        data: Any = True
        if tree.data == "plain":
            data = self._value(rest[0], (), parts)
        elif tree.data == "operated":
            operator = cast("Token", rest[0])
            parts[()] = self._span(operator)
            data = {str(operator): self._value(rest[1], (str(operator),), parts)}
        if too_deep(data):
            raise PolicySyntaxError(
                f"lists and objects stand more than {MAX_DEPTH} deep here", self._span(key)
            )
        return Criterion(name, sub_path, data, self._span(key), parts)

    def _value(self, node: Node, path: Path, parts: dict[Path, Span]) -> Any:
        if isinstance(node, Token):
            parts[path] = self._span(node)
            return self._scalar(node)
        parts[path] = Span(self._file, node.meta.line, node.meta.column)
        if node.data == "list":
            return [self._value(item, (*path, index), parts) for index, item in enumerate(_parts(node))]
        return self._object(node, path, parts)

    def _object(self, node: Node, path: Path, parts: dict[Path, Span]) -> dict[str, Any]:
        data: dict[str, Any] = {}
        for entry in _parts(node):
            name, value = _parts(entry)
            token = cast("Token", name)
            key = self._text(token) if token.type == "STRING" else str(token)
            if key in data:
                raise PolicySyntaxError(f"{key!r} stands twice in this block", self._span(token))
            data[key] = self._value(value, (*path, key), parts)
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
