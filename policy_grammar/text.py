"""The text notation: ``.ppl`` text to the tree."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from importlib import resources
from typing import Final

from lark import Lark, Token, Tree
from lark.exceptions import UnexpectedCharacters, UnexpectedInput, UnexpectedToken
from lark.lark import PostLex

from .build import Builder
from .comments import attach
from .errors import PolicySyntaxError
from .limits import MAX_DEPTH, MAX_TEXT
from .remarks import find_comments
from .span import Span
from .tree import OPERATORS, Document, Policy
from .walk import dressed

MAX_BRACKETS: Final = MAX_DEPTH + 3
"""Brackets open at once: the deepest data, inside a policy, a rule and an operator."""

_QUOTES: Final = 'texts stand in double quotes: "like this"'
_COMMENTS: Final = "comments begin with #"
_UNCLOSED: Final = r'a text ends with " on the line where it began; inside it write \"'
_VALUES: Final = frozenset({"STRING", "NUMBER", "TRUE", "FALSE", "NULL", "LBRACE", "LSQB"})
"""The terminals that a value may begin with."""

_SHOWN: Final = {
    "a value": "a value",
    "NAME": "a word",
    "KEY": "a criterion",
    "SYMBOL": "a comparison",
    "STRING": 'a text in "quotes"',
    "NUMBER": "a number",
    "TRUE": "true",
    "FALSE": "false",
    "NULL": "null",
    "LBRACE": "`{`",
    "RBRACE": "`}`",
    "LSQB": "`[`",
    "RSQB": "`]`",
    "_COMMA": "`,`",
    "_COLON": "`:`",
    "_NL": "a new line",
    "$END": "the end of the text",
}
"""What a person calls the grammar's terminals, in the order in which errors list them."""


class _BracketError(Exception):
    """More brackets are open than any policy needs; raised before the parser's stack grows."""

    def __init__(self, token: Token) -> None:
        super().__init__()
        self.token = token


class _Brackets(PostLex):
    """Counts open brackets and drops new lines inside lists, where they only lay the text out."""

    always_accept = ("_NL",)

    def process(self, stream: Iterator[Token]) -> Iterator[Token]:
        opened: list[str] = []
        for token in stream:
            if token.type in ("LBRACE", "LSQB"):
                opened.append(token.type)
                if len(opened) > MAX_BRACKETS:
                    raise _BracketError(token)
            elif token.type in ("RBRACE", "RSQB") and opened:
                opened.pop()
            elif token.type == "_NL" and opened and opened[-1] == "LSQB":
                continue
            yield token


@cache
def _parser() -> Lark:
    grammar = resources.files(__package__).joinpath("ppl.lark").read_text("utf-8")
    return Lark(grammar, parser="lalr", lexer="contextual", postlex=_Brackets())


def parse_document(text: str, file: str) -> Document:
    """What one ``.ppl`` text holds, comments included; ``file`` names it in errors.

    Raises PolicySyntaxError for text that does not follow the grammar, words that the language does not know,
    a name given to two policies, and text beyond the limits. Time is linear in the length of the text.
    """
    if len(text) > MAX_TEXT:
        raise PolicySyntaxError(
            f"this text has {len(text):,} characters; one policy file may have {MAX_TEXT:,}",
            Span(file, 1, 1),
            "split it into several files",
        )
    text = text.removeprefix("\ufeff")
    try:
        tree: Tree[Token] = _parser().parse(text)
        comments = find_comments(text, file)
        builder = Builder(file, mark=bool(comments))
        document = builder.document(tree)
    except _BracketError as error:
        place = Span(file, error.token.line or 0, error.token.column or 0)
        raise PolicySyntaxError(f"more than {MAX_BRACKETS} brackets are open here", place).with_source(
            text
        ) from None
    except UnexpectedInput as error:
        raise _explained(error, text, file) from None
    except PolicySyntaxError as error:
        raise error.with_source(text) from None
    return dressed(document, attach(builder.extents, comments)) if comments else document


def parse_text(text: str, file: str) -> tuple[Policy, ...]:
    """The policies of a ``.ppl`` text that stands alone.

    Raises PolicySyntaxError as :func:`parse_document` does, and for includes.
    """
    document = parse_document(text, file)
    if document.includes:
        first = document.includes[0].span
        hint = "write the policies of that file here, or list both files where files are read"
        raise PolicySyntaxError(
            "an include needs a reader of files; this text is read alone", first, hint
        ).with_source(text)
    return document.policies


def _explained(error: UnexpectedInput, text: str, file: str) -> PolicySyntaxError:
    if isinstance(error, UnexpectedToken):
        found, expected = _found(error.token), set(error.expected)
        hint = _hint(error.token, expected)
    elif isinstance(error, UnexpectedCharacters):
        found, expected = _word_at(text, error.pos_in_stream or 0), set(error.allowed or ())
        hint = _QUOTES if found.startswith("`'") else _COMMENTS if found.startswith("`/") else ""
        if text.startswith('"', error.pos_in_stream):
            found, hint = (
                "a text without its closing quote",
                _UNCLOSED,
            )
    else:
        found, expected, hint = "this", set(), ""
    awaited = _awaited(expected)
    message = f"expected {awaited}, found {found}" if awaited else f"{found} cannot stand here"
    return PolicySyntaxError(message, _place(error, text, file), hint).with_source(text)


def _awaited(expected: set[str]) -> str:
    """The terminals that would fit, as a person reads them; a new line is named when nothing else is."""
    values = [_SHOWN["a value"]] if expected >= _VALUES else []
    rest = expected - _VALUES if values else expected
    shown = values + [word for terminal, word in _SHOWN.items() if terminal in rest and terminal != "_NL"]
    if not shown:
        return _SHOWN["_NL"] if "_NL" in expected else ""
    return " or ".join([", ".join(shown[:-1]), shown[-1]] if len(shown) > 1 else shown)


def _hint(token: Token, expected: set[str]) -> str:
    found = token.type
    if found == "_COLON":
        return "no colon stands between a criterion and its value"
    if found in ("NAME", "KEY") and expected >= _VALUES:
        return _QUOTES
    if "LBRACE" in expected:
        return _block_hint(token, expected)
    if found == "_COMMA" and "_NL" in expected:
        return "criteria and rules end with a new line or `;`"
    return ""


def _block_hint(token: Token, expected: set[str]) -> str:
    found = token.type
    if found == "_NL":
        return "the `{` stands on the same line"
    if found in ("NAME", "KEY") and "STRING" in expected and token not in OPERATORS:
        return 'the name of a policy stands in double quotes: policy "name" { … }'
    if found in ("NAME", "KEY", "STRING", "RBRACE"):
        return 'rules stand inside a policy, criteria inside an operator: policy "a" { allow or { accept } }'
    return ""


def _found(token: Token) -> str:
    if token.type in ("$END", "_NL"):
        return "the end of the text" if token.type == "$END" else "the end of the line"
    return f"`{token[:40]}`"


def _word_at(text: str, position: int) -> str:
    word = re.compile(r"\S{1,40}").match(text, position)
    return f"`{word.group()}`" if word else "a blank"


def _place(error: UnexpectedInput, text: str, file: str) -> Span:
    if isinstance(error, UnexpectedToken) and error.token.type == "$END":
        lines = text.rstrip().split("\n")
        return Span(file, len(lines), len(lines[-1]) + 1)
    return Span(file, error.line, error.column)
