"""Policy files: ``.ppl`` text, YAML or JSON, with everything that they include."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NoReturn

from policy_grammar import (
    MAX_TEXT,
    Document,
    Include,
    Policy,
    PolicySyntaxError,
    Span,
    nearest,
    parse_document,
    parse_document_data,
)

from .json_source import read_json
from .positions import Positions
from .problem import ConfigError
from .yaml_layout import read_layout
from .yaml_source import place, read_yaml

Notation = Literal["ppl", "yaml", "json"]

MAX_BYTES = 4 * MAX_TEXT
"""Bytes of one policy file in UTF-8; no character takes more than four. Nothing beyond is read."""

MAX_FILES = 256
"""Files that one policy file may bring in, itself counted."""

MAX_INCLUDE_DEPTH = 16
"""Includes inside one another."""

MAX_TOTAL = 4 * MAX_TEXT
"""Characters of all these files together."""

_SUFFIXES: Mapping[str, Notation] = {".yaml": "yaml", ".yml": "yaml", ".json": "json"}
_INCLUDED = (".ppl", *_SUFFIXES)
"""How names of included files end. Lines are shown of ``.ppl`` files alone: others may be anything."""


@dataclass(frozen=True, slots=True)
class PolicyFileSet:
    """One policy file and what it includes, each file once."""

    documents: Mapping[str, Document]
    """By the name of the file in spans; the file itself is the last one, after what it includes."""
    texts: Mapping[str, str] = field(repr=False)
    """The text of each file, by the same names."""

    @property
    def policies(self) -> tuple[Policy, ...]:
        """Of all files, included ones first. No name stands twice; each file may have one without a name."""
        return tuple(policy for document in self.documents.values() for policy in document.policies)

    def with_source(self, error: PolicySyntaxError) -> PolicySyntaxError:
        """An error about one of these files, showing its line."""
        text = self.texts.get(error.span.file)
        return error if text is None else error.with_source(text)


def read_policy_file(path: Path, text: str | None = None) -> PolicyFileSet:
    """The policies of a file and of all files that it includes; ``text`` is its content where it is at hand.

    An include is resolved against the folder of the file that names it; a file that is included twice counts
    once. Raises PolicySyntaxError, with the line that it is about, for a file that cannot be read or does not
    follow its notation, an include that leads out of the folder of ``path`` or back to a file on the way,
    a name given to two policies, and more files, characters or includes inside one another than the limits
    allow.
    """
    reader = _Reader(path)
    reader.read(path, _text_of(path) if text is None else text)
    return PolicyFileSet(reader.documents, reader.texts)


def notation_of(path: Path) -> Notation:
    """How a file of that name is written: YAML and JSON by their suffixes, anything else is ``.ppl`` text."""
    return _SUFFIXES.get(path.suffix.lower(), "ppl")


def parse_policy_document(text: str, file: str, notation: Notation, *, comments: bool = False) -> Document:
    """What one text holds; ``comments`` asks for those of YAML, which take a second reading.

    Raises PolicySyntaxError with its line.
    """
    if notation == "ppl":
        return parse_document(text, file)
    _check_size(text, file)
    try:
        data, positions = read_policy_data(text, file, notation)
        layout = read_layout(text) if comments and notation == "yaml" else None

        def spans(path: tuple[str | int, ...]) -> Span:
            # A word of the language is named where it stands, not where its value begins.
            named = bool(path) and isinstance(path[-1], str)
            return positions.key(path) if named else positions.value(path)

        return parse_document_data(data, spans, layout)
    except PolicySyntaxError as error:
        raise error.with_source(text) from None


def read_policy_data(text: str, file: str, notation: Notation) -> tuple[Any, Positions]:
    """The data of a YAML or JSON text and its positions. Raises PolicySyntaxError with its line."""
    _check_size(text, file)
    try:
        document = read_json(text, file) if notation == "json" else read_yaml(text, file)
    except ConfigError as error:
        first = error.problems[0]
        raise PolicySyntaxError(first.message, first.span, first.hint).with_source(text) from None
    if document.data == {} and "{" not in text:
        raise PolicySyntaxError("the text is empty", Span(file, 1, 1), "a policy without rules is written []")
    return document.data, document.positions


class _Reader:
    """Reads one file after the other, what they include first."""

    def __init__(self, first: Path) -> None:
        self._folders = (os.path.realpath(first.parent), Path(os.path.realpath(first)).parent)
        """Where includes must stand: beside the first file, or beside what it leads to where it is a link."""
        self.documents: dict[str, Document] = {}
        self.texts: dict[str, str] = {}
        self._open: dict[str, str] = {}
        """Files that are being read, outermost first: real path → name."""
        self._done: set[str] = set()
        self._names: dict[str, Policy] = {}
        self._size = 0

    def read(self, path: Path, text: str, include: Include | None = None) -> None:
        """``include`` is what named the file."""
        file, real = str(path), os.path.realpath(path)
        self.texts[file] = text
        self._size += len(text)
        self._open[real] = file
        document = self._parsed(path, text, include)
        for inner in document.includes:
            self._include(inner, path)
        for policy in document.policies:
            self._name(policy)
        del self._open[real]
        self._done.add(real)
        self.documents[file] = document

    def _parsed(self, path: Path, text: str, include: Include | None) -> Document:
        notation = notation_of(path)
        try:
            document = parse_policy_document(text, str(path), notation)
        except PolicySyntaxError as error:
            if include is None or notation == "ppl":
                raise
            # It may be a configuration or a key: its lines are not for whoever writes policies.
            self._refuse(include, f"{error.span}: {error.message}")
        return document

    def _include(self, include: Include, path: Path) -> None:
        target = path.parent / include.path
        real = self._real(include, target)
        try:
            found = target.stat()
        except (OSError, ValueError) as error:
            self._refuse(include, f"{target} cannot be read: {_reason(error)}", _neighbour(target))
        if real in self._done:
            return
        if real in self._open:
            names = [*self._open.values()]
            chain = names[[*self._open].index(real) :]
            self._refuse(include, f"this include leads in a circle: {' → '.join([*chain, str(target)])}")
        if not stat.S_ISREG(found.st_mode):
            self._refuse(include, f"{target} is not a file")
        if len(self._open) > MAX_INCLUDE_DEPTH:
            self._refuse(include, f"includes stand more than {MAX_INCLUDE_DEPTH} deep inside one another")
        if len(self.texts) >= MAX_FILES:
            self._refuse(include, f"more than {MAX_FILES} files are included")
        if self._size + found.st_size > 4 * MAX_TOTAL:
            self._refuse(include, f"the included files have more than {MAX_TOTAL:,} characters together")
        text = _text_of(target)
        if self._size + len(text) > MAX_TOTAL:
            self._refuse(include, f"the included files have more than {MAX_TOTAL:,} characters together")
        self.read(target, text, include)

    def _real(self, include: Include, target: Path) -> str:
        """Its path without links. What policies have no say over is refused before it is looked at."""
        try:
            real = os.path.realpath(target)
        except ValueError as error:
            self._refuse(include, f"{target} cannot be read: {_reason(error)}")
        if not any(Path(real).is_relative_to(folder) for folder in self._folders):
            hint = "move it there, or name it in the configuration"
            self._refuse(include, f"{target} stands outside of the folder of the first policy file", hint)
        if not {target.suffix.lower(), Path(real).suffix.lower()} <= {*_INCLUDED}:
            hint = f"names of policy files end in {', '.join(_INCLUDED)}"
            self._refuse(include, f"{target} is not named as a policy file", hint)
        return real

    def _refuse(self, include: Include, message: str, hint: str = "") -> NoReturn:
        error = PolicySyntaxError(message, include.span, hint)
        raise error.with_source(self.texts[include.span.file])

    def _name(self, policy: Policy) -> None:
        first = self._names.setdefault(policy.name, policy)
        if first is not policy and policy.name:
            message = f"a second policy of the name {policy.name!r}; the first stands at {first.span}"
            raise PolicySyntaxError(message, policy.span).with_source(self.texts[policy.span.file])


def read_policy_bytes(path: Path) -> bytes:
    """The bytes of a policy file; of a longer one, one more than it may have. Raises PolicySyntaxError."""
    try:
        with path.open("rb") as stream:
            return stream.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        message = f"the policy file cannot be read: {_reason(error)}"
        raise PolicySyntaxError(message, Span(str(path))) from None


def _text_of(path: Path) -> str:
    return decode_policy_text(read_policy_bytes(path), str(path))


def decode_policy_text(raw: bytes, file: str) -> str:
    """The text of a policy file's bytes, within the limits. Raises PolicySyntaxError."""
    if len(raw) > MAX_BYTES:
        raise _too_long(file)
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        good = raw[: error.start].decode("utf-8-sig")
        raise PolicySyntaxError("the file is not UTF-8 text", place(good, len(good), file)) from None
    _check_size(text, file)
    return text


def _check_size(text: str, file: str) -> None:
    if len(text) > MAX_TEXT:
        raise _too_long(file)


def _too_long(file: str) -> PolicySyntaxError:
    message = f"the text is longer than {MAX_TEXT:,} characters, the most that one policy file may have"
    return PolicySyntaxError(message, Span(file, 1, 1), "split it into several files")


def _reason(error: OSError | ValueError) -> str:
    return (
        error.strerror if isinstance(error, OSError) else None
    ) or "its name is not one that a file can have"


def _neighbour(path: Path) -> str:
    """The name of a file beside a missing one that may be meant."""
    try:
        with os.scandir(path.parent) as entries:
            names = [entry.name for entry, _ in zip(entries, range(1000), strict=False)]
    except (OSError, ValueError):
        return ""
    close = nearest(path.name, names)
    return f"did you mean {close!r}?" if close else ""
