"""Reading a configuration text from a file, whatever of the three notations it is written in."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from policy_grammar import Span

from .document import Document
from .json_source import read_json
from .problem import ConfigError, Problem
from .toml_source import read_toml
from .yaml_source import place, read_yaml

MAX_BYTES = 10_000_000
"""Size of one configuration file; a longer one is refused unread."""


def read_file(path: Path) -> Document:
    """The document in a ``.toml``, ``.json`` or (any other name) YAML file. Raises :class:`ConfigError`."""
    file = str(path)
    text = _text(path, file)
    readers = {".toml": read_toml, ".json": read_json}
    document = readers.get(path.suffix.lower(), read_yaml)(text, file)
    return replace(_mapping(document, file), text=text)


def _text(path: Path, file: str) -> str:
    try:
        with path.open("rb") as stream:
            raw = stream.read(MAX_BYTES + 1)
    except OSError as error:
        reason = error.strerror or "it cannot be read"
        raise ConfigError([Problem(Span(file), f"the configuration file cannot be read: {reason}")]) from None
    if len(raw) > MAX_BYTES:
        raise ConfigError([Problem(Span(file), f"the configuration file is longer than {MAX_BYTES} bytes")])
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        good = raw[: error.start].decode("utf-8-sig")
        span = place(good, len(good), file)
        raise ConfigError([Problem(span, "the configuration file is not UTF-8 text")]) from None


def _mapping(document: Document, file: str) -> Document:
    if isinstance(document.data, dict):
        return document
    if document.data is None:
        return Document({}, document.positions)
    message = "a configuration is a mapping of keys to values"
    span = document.positions.value(())
    raise ConfigError([Problem(span if span.line else Span(file, 1, 1), message)])
