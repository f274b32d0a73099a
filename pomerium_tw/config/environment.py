"""Environment variables laid over a configuration: they win, key by key (spec/proxy §1.1)."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from typing import Any

from policy_grammar import Span

from .document import Document
from .headers import headers_variable
from .json_source import read_json
from .positions import KeyPath, Positions
from .problem import ConfigError, DecodeError, Problem
from .reference import environment_names
from .yaml_source import read_yaml

_NAMES = environment_names()
_ROUTES = ("POLICY", "ROUTES")


def overlay(document: Document, environ: Mapping[str, str]) -> Document:
    """The document with the variables of ``environ`` in it; blank ones count as unset.

    Raises :class:`ConfigError` with every variable that cannot be read at all.
    """
    data = dict(document.data)
    problems: list[Problem] = []
    for name, path in _NAMES.items():
        written = environ.get(name, "")
        if not written:
            continue
        place = Span(f"environment {name}")
        try:
            value, positions = _decode(name, written, place)
        except DecodeError as fault:
            problems.append(Problem(place, fault.message, fault.hint))
        except ConfigError as error:
            problems.extend(error.problems)
        else:
            if path[0] not in data:
                document.positions.graft(path[:1], Positions(whole=place))
            _put(data, path, value)
            document.positions.graft(path, positions)
    if problems:
        raise ConfigError(problems)
    return Document(data, document.positions, document.text)


def _decode(name: str, written: str, place: Span) -> tuple[Any, Positions]:
    if name in _ROUTES:
        return _routes(written, place)
    special: dict[str, Callable[[str], Any]] = {"HEADERS": headers_variable}
    return special.get(name, str)(written), Positions(whole=place)


def _routes(written: str, place: Span) -> tuple[Any, Positions]:
    """A list of routes: YAML or JSON in base64; positions are those of the decoded text."""
    try:
        text = base64.b64decode("".join(written.split()), validate=True).decode("utf-8")
    except (binascii.Error, UnicodeDecodeError, ValueError):
        raise DecodeError("this is not base64 of a list of routes in YAML or JSON") from None
    try:
        document = read_json(text, place.file)
    except ConfigError:  # YAML, or a fault of JSON
        document = read_yaml(text, place.file)
    return document.data, document.positions


def _put(data: dict[str, Any], path: KeyPath, value: Any) -> None:
    """Set one key, or one member of a mapping whose other members stay as they are."""
    name = str(path[0])
    if len(path) == 1:
        data[name] = value
        return
    members = data.get(name)
    data[name] = {**(members if isinstance(members, dict) else {}), str(path[1]): value}
