"""JSON text → plain data and positions. The data are those of the standard library, the positions our own.

YAML's reader is none for JSON: it knows no surrogate pairs, no key of more than 1,024 characters and none
whose colon stands on the next line, and takes ``NaN`` for a text.
"""

from __future__ import annotations

import json
import math
import re
from bisect import bisect_right
from typing import NoReturn

from policy_grammar import Span

from .document import Document
from .positions import KeyPath, Positions
from .problem import ConfigError, Problem
from .yaml_source import MAX_DEPTH, MAX_VALUES, place

_TOKEN = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[\[\]{},:]|[^][{},:"\s]+')
_LONG = 400
"""Digits of an integer that is larger than any number JSON can carry to others."""

_Token = re.Match[str]


def read_json(text: str, file: str) -> Document:
    """Plain data of a strict JSON text.

    Raises :class:`ConfigError` with the first syntax error, else with all keys that stand twice.
    """
    try:
        data = json.loads(text, parse_int=_integer)
    except json.JSONDecodeError as error:
        raise ConfigError([Problem(place(text, error.pos, file), f"JSON syntax: {error.msg}")]) from None
    except RecursionError:
        raise ConfigError([Problem(Span(file, 1, 1), "the text is nested too deeply")]) from None
    return Document(data, _Places(text, file).read())


def _integer(digits: str) -> int:
    """Python refuses very long integers without a place; :class:`_Places` refuses them with theirs."""
    return int(digits) if len(digits) < _LONG else 0


class _Places:
    """Goes over the tokens of a text that is JSON, and refuses what JSON leaves to its readers."""

    def __init__(self, text: str, file: str) -> None:
        self._file = file
        self._tokens = _TOKEN.finditer(text)
        self._lines = [0, *(match.end() for match in re.finditer("\n", text))]
        self._values: dict[KeyPath, Span] = {}
        self._keys: dict[KeyPath, Span] = {}
        self._problems: list[Problem] = []

    def read(self) -> Positions:
        """The positions of all keys and values. Raises :class:`ConfigError`."""
        self._value(next(self._tokens), ())
        if self._problems:
            raise ConfigError(self._problems)
        whole = self._values.pop(())
        return Positions(self._values, self._keys, whole=whole)

    def _span(self, token: _Token) -> Span:
        line = bisect_right(self._lines, token.start())
        return Span(self._file, line, token.start() - self._lines[line - 1] + 1)

    def _refuse(self, token: _Token, message: str) -> NoReturn:
        raise ConfigError([Problem(self._span(token), message)])

    def _value(self, token: _Token, path: KeyPath) -> None:
        self._values[path] = self._span(token)
        if len(self._values) > MAX_VALUES:
            self._refuse(token, f"more than {MAX_VALUES} values in one text")
        if len(path) > MAX_DEPTH:
            self._refuse(token, f"nested deeper than {MAX_DEPTH} levels")
        written = token.group()
        if written == "{":
            self._object(path)
        elif written == "[":
            self._list(path)
        elif written[0] == '"':
            self._text(token)
        elif written in {"NaN", "Infinity", "-Infinity"}:
            self._refuse(token, f"{written} is not a JSON value")
        elif written not in {"true", "false", "null"} and math.isinf(float(written)):
            self._refuse(token, "this number is too large")

    def _list(self, path: KeyPath) -> None:
        index = 0
        while (token := next(self._tokens)).group() != "]":
            if token.group() != ",":
                self._value(token, (*path, index))
                index += 1

    def _object(self, path: KeyPath) -> None:
        lines: dict[str, int] = {}
        while (token := next(self._tokens)).group() != "}":
            if token.group() == ",":
                continue
            name, span = self._text(token), self._span(token)
            if name in lines:
                hint = f"it stands on line {lines[name]} already: keep one of the two"
                self._problems.append(Problem(span, f"the key {name!r} stands here twice", hint))
            lines.setdefault(name, span.line)
            self._keys[(*path, name)] = span
            next(self._tokens)  # the colon
            self._value(next(self._tokens), (*path, name))

    def _text(self, token: _Token) -> str:
        written = token.group()
        if "\\" not in written:
            return written[1:-1]
        text: str = json.loads(written)
        if not text.isascii() and any("\ud800" <= char <= "\udfff" for char in text):
            self._refuse(token, "half of a surrogate pair stands in this text")
        return text
