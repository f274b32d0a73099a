"""TOML text → plain data; positions are those of the key names (the standard library's parser gives none)."""

from __future__ import annotations

import datetime
import re
import tomllib
from typing import Any

from policy_grammar import Span

from .document import Document
from .positions import KeyPath, Positions
from .problem import ConfigError, Problem

_WHERE = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")
_HEADER = re.compile(r"\s*(\[\[?)([^\[\]]+)\]")
_ASSIGNMENT = re.compile(
    r"\s*((?:[A-Za-z0-9_-]+|\"[^\"]*\"|'[^']*')(?:\s*\.\s*(?:[A-Za-z0-9_-]+|\"[^\"]*\"|'[^']*'))*)\s*="
)
_PART = re.compile(r"\"([^\"]*)\"|'([^']*)'|([A-Za-z0-9_-]+)")


def read_toml(text: str, file: str) -> Document:
    """Plain data of a TOML text; dates become text. Raises :class:`ConfigError` on the first syntax error."""
    try:
        data = _plain(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise ConfigError([_syntax_problem(str(error), text, file)]) from None
    except RecursionError:
        raise ConfigError([Problem(Span(file, 1, 1), "the text is nested too deeply")]) from None
    spans = _key_spans(text, file)
    return Document(data, Positions(spans, spans, whole=Span(file, 1, 1)))


def _syntax_problem(message: str, text: str, file: str) -> Problem:
    found = _WHERE.search(message)
    if found and found[1]:
        span = Span(file, int(found[1]), int(found[2]))
    else:
        lines = text.split("\n")
        span = Span(file, len(lines), len(lines[-1]) + 1)
    return Problem(span, f"TOML syntax: {_WHERE.sub('', message)}")


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    return value


def _key_spans(text: str, file: str) -> dict[KeyPath, Span]:
    """Place of each key that begins a line or a header; the first one to name a path wins."""
    spans: dict[KeyPath, Span] = {}
    counts: dict[KeyPath, int] = {}
    table: KeyPath = ()
    for number, line in enumerate(text.split("\n"), start=1):
        if header := _HEADER.match(line):
            table = _indexed(_parts(header[2]), counts, opens=header[1] == "[[")
            spans.setdefault(table, Span(file, number, header.start(2) + 1))
        elif assignment := _ASSIGNMENT.match(line):
            path = (*table, *_parts(assignment[1]))
            spans.setdefault(path, Span(file, number, assignment.start(1) + 1))
    return spans


def _parts(dotted: str) -> KeyPath:
    return tuple(
        next(group for group in found.groups() if group is not None) for found in _PART.finditer(dotted)
    )


def _indexed(parts: KeyPath, counts: dict[KeyPath, int], *, opens: bool) -> KeyPath:
    """The path of a header with the index of each array of tables it stands in."""
    path: KeyPath = ()
    for position, part in enumerate(parts):
        path = (*path, part)
        if opens and position == len(parts) - 1:
            counts[path] = counts.get(path, 0) + 1
        if path in counts:
            path = (*path, counts[path] - 1)
    return path
