"""YAML text → plain data and positions, without the surprises of YAML 1.1 (DESIGN §5, threats PO-12).

Only null, ``true``/``false``, integers and floats are typed; ``no``, ``on``, ``012`` and dates stay text.
Duplicate keys, keys that are not text, tags, alias bombs and deep nesting are refused with their position.
The text is read event by event: nothing is built before it has been counted, and no recursion goes deeper
than :data:`MAX_DEPTH`.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, NoReturn

import yaml
from yaml._yaml import CParser
from yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
    StreamStartEvent,
)

from policy_grammar import Span

from .document import Document
from .positions import KeyPath, Positions
from .problem import ConfigError, Problem

MAX_DEPTH = 64
"""Levels of nesting, aliases expanded."""

MAX_ALIASES = 1_000
"""Aliases (``*name``) in one text."""

MAX_VALUES = 1_000_000
"""Scalars, lists and mappings written in one text: some ten thousand routes."""

MAX_ALIASED = 200_000
"""Scalars, lists and mappings that the aliases of one text stand for, those inside others at each use."""

MAX_TAG_DIRECTIVES = 16
"""``%TAG`` lines in one text; the parser compares each with all before it, and no tag of theirs is read."""

_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]{0,17})")
_TAG_DIRECTIVE = re.compile("(?:^|[\n\r\x85\u2028\u2029])(%TAG)")
_FLOAT = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+(?:[eE][-+]?[0-9]{1,2})?|[eE][-+]?[0-9]{1,2})")
_TAGGED_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]{0,399})")
_TAGGED_FLOAT = re.compile(_FLOAT.pattern.replace("{1,2}", "{1,3}"))
"""With their type said, numbers may be as large as JSON's (a policy's operands)."""
_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_BOOL = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_TAG = "tag:yaml.org,2002:"
_MERGE = "<<"


@dataclass(slots=True)
class _Node:
    value: Any
    """A scalar, a list of nodes, or pairs of nodes."""
    kind: str
    span: Span
    plain: bool = False
    """A scalar without quotes."""
    open: bool = False
    """A list or mapping whose end has not been read yet."""
    size: int = 1
    """Scalars, lists and mappings in it, itself counted, aliases expanded."""

    @property
    def merges(self) -> bool:
        """Whether it is the key that takes over other mappings, in place of a key of that name."""
        return self.plain and self.value == _MERGE


def read_yaml(text: str, file: str) -> Document:
    """Plain data of one YAML document; an empty text is an empty mapping.

    Raises :class:`ConfigError` with all refused keys, or with the first syntax error.
    """
    if found := _CONTROL.search(text):
        raise ConfigError(
            [Problem(place(text, found.start(), file), "a control character stands in the text")]
        )
    _check_directives(text, file)
    composer = _Composer(text, file)
    try:
        root = composer.compose()
    except yaml.MarkedYAMLError as error:
        raise ConfigError([_syntax_problem(error, file)]) from None
    except yaml.YAMLError:
        raise ConfigError(
            [Problem(Span(file, 1, 1), "the text holds a character that YAML does not allow")]
        ) from None
    if composer.problems:
        raise ConfigError(composer.problems)
    if root is None:
        return Document({}, Positions(whole=Span(file, 1, 1)))
    return _Builder().build(root)


def _check_directives(text: str, file: str) -> None:
    found = list(islice(_TAG_DIRECTIVE.finditer(text), MAX_TAG_DIRECTIVES + 1))
    if len(found) > MAX_TAG_DIRECTIVES:
        span = place(text, found[-1].start(1), file)
        message = f"more than {MAX_TAG_DIRECTIVES} %TAG lines in one text"
        raise ConfigError([Problem(span, message, "leave them out: no tag of theirs is read")])


def place(text: str, index: int, file: str) -> Span:
    """Line and column of the character at ``index``."""
    return Span(file, text.count("\n", 0, index) + 1, index - (text.rfind("\n", 0, index) + 1) + 1)


def plain_scalar(text: str) -> Any:
    """The value of an unquoted scalar."""
    if text in _NULL:
        return None
    if text in _BOOL:
        return _BOOL[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text):
        return float(text)
    return text


def _syntax_problem(error: yaml.MarkedYAMLError, file: str) -> Problem:
    mark = error.problem_mark or error.context_mark
    span = Span(file, 1, 1) if mark is None else Span(file, mark.line + 1, mark.column + 1)
    context = f" ({error.context})" if error.context else ""
    hint = "indent with blanks" if "tab" in (error.problem or "") else ""
    return Problem(span, f"YAML syntax: {error.problem or 'the text ends too early'}{context}", hint)


class _Composer:
    """Events → a tree of nodes; an alias is the node that it names, seen from another place."""

    def __init__(self, text: str, file: str) -> None:
        self._parser = CParser(text)
        self._file = file
        self._anchors: dict[str, _Node] = {}
        self._values = 0
        self._aliases = 0
        self._aliased = 0
        self.problems: list[Problem] = []
        """Keys that are refused, and what << cannot take over; reading goes on after them."""

    def compose(self) -> _Node | None:
        self._expect(StreamStartEvent)
        event = self._event()
        if isinstance(event, StreamEndEvent):
            return None
        root = self._node(self._event(), 0)
        self._event()  # the end of the document
        event = self._event()
        if isinstance(event, DocumentStartEvent):
            self._refuse(event, "a second YAML document begins here", "keep one document in a file")
        return root

    def _expect(self, kind: type[Event]) -> None:
        event = self._event()
        if not isinstance(event, kind):
            self._refuse(event, "the text is not a YAML stream")

    def _event(self) -> Event:
        event = self._parser.get_event()
        if event is None:
            raise ConfigError([Problem(Span(self._file, 1, 1), "the text ends too early")])
        return event

    def _span(self, event: Event) -> Span:
        mark = event.start_mark
        return Span(self._file, 1, 1) if mark is None else Span(self._file, mark.line + 1, mark.column + 1)

    def _refuse(self, event: Event, message: str, hint: str = "") -> NoReturn:
        raise ConfigError([Problem(self._span(event), message, hint)])

    def _node(self, event: Event, depth: int) -> _Node:
        self._values += 1
        if self._values > MAX_VALUES:
            self._refuse(event, f"more than {MAX_VALUES} values in one text")
        if depth > MAX_DEPTH:
            self._refuse(event, f"nested deeper than {MAX_DEPTH} levels")
        if isinstance(event, AliasEvent):
            return self._alias(event)
        if isinstance(event, ScalarEvent):
            return self._anchored(event, self._scalar(event))
        if isinstance(event, SequenceStartEvent):
            self._check_tag(event, "seq")
            return self._sequence(
                self._anchored(event, _Node([], "list", self._span(event), open=True)), depth
            )
        if isinstance(event, MappingStartEvent):
            self._check_tag(event, "map")
            return self._mapping(self._anchored(event, _Node([], "map", self._span(event), open=True)), depth)
        raise ConfigError([Problem(self._span(event), "a value is missing here")])

    def _anchored(self, event: ScalarEvent | SequenceStartEvent | MappingStartEvent, node: _Node) -> _Node:
        if event.anchor is not None:
            self._anchors[event.anchor] = node
        return node

    def _alias(self, event: AliasEvent) -> _Node:
        self._aliases += 1
        if self._aliases > MAX_ALIASES:
            self._refuse(event, f"more than {MAX_ALIASES} aliases in one text")
        node = self._anchors.get(event.anchor or "")
        if node is None:
            self._refuse(event, f"no anchor &{event.anchor} stands before this alias")
        if node.open:
            self._refuse(event, f"the alias *{event.anchor} stands inside what it names")
        # Counted before anything is built: what a node holds at each use bounds the work on it, merging too.
        self._aliased += node.size
        if self._aliased > MAX_ALIASED:
            self._refuse(event, f"the aliases stand for more than {MAX_ALIASED} values")
        return replace(node, span=self._span(event))

    def _sequence(self, node: _Node, depth: int) -> _Node:
        while not isinstance(event := self._event(), SequenceEndEvent):
            item = self._node(event, depth + 1)
            node.value.append(item)
            node.size += item.size
        node.open = False
        return node

    def _mapping(self, node: _Node, depth: int) -> _Node:
        lines: dict[tuple[str, bool], int] = {}
        while not isinstance(event := self._event(), MappingEndEvent):
            key = self._node(event, depth + 1)
            self._check_key(key, lines)
            value = self._node(self._event(), depth + 1)
            if key.merges:
                self._check_merged(value)
            node.value.append((key, value))
            node.size += key.size + value.size
        node.open = False
        return node

    def _check_key(self, key: _Node, lines: dict[tuple[str, bool], int]) -> None:
        """``lines``: those of the keys before it in its mapping."""
        if not isinstance(key.value, str):
            self.problems.append(Problem(key.span, "a key must be text", "put the key in quotes"))
            return
        name = (key.value, key.merges)
        if name not in lines:
            lines[name] = key.span.line
            return
        hint = "merge several by a list: <<: [*a, *b]" if key.merges else "keep one of the two"
        message = f"the key {key.value!r} stands here twice"
        hint = f"it stands on line {lines[name]} already: {hint}"
        self.problems.append(Problem(key.span, message, hint))

    def _check_merged(self, value: _Node) -> None:
        for source in value.value if value.kind == "list" else [value]:
            if source.kind != "map":
                self.problems.append(Problem(source.span, "<< takes a mapping or a list of mappings"))

    def _check_tag(self, event: SequenceStartEvent | MappingStartEvent, expected: str) -> None:
        if event.tag is not None and event.tag != _TAG + expected:
            self._refuse(event, f"the tag {event.tag} is not read", "leave the tag out")

    def _scalar(self, event: ScalarEvent) -> _Node:
        plain = event.tag is None and event.implicit[0]
        value = plain_scalar(event.value) if plain else event.value
        if event.tag is not None and event.tag != _TAG + "str":
            value = self._tagged(event)
        return _Node(value, "scalar", self._span(event), plain=plain)

    def _tagged(self, event: ScalarEvent) -> Any:
        tag = event.tag or ""
        kinds: dict[str, tuple[type, ...]] = {
            _TAG + "null": (type(None),),
            _TAG + "bool": (bool,),
            _TAG + "int": (int,),
            _TAG + "float": (float, int),
        }
        if tag not in kinds:
            self._refuse(event, f"the tag {tag} is not read", "leave the tag out")
        value = plain_scalar(event.value)
        if tag == _TAG + "int" and _TAGGED_INTEGER.fullmatch(event.value):
            value = int(event.value)
        elif tag == _TAG + "float" and _TAGGED_FLOAT.fullmatch(event.value):
            value = float(event.value)
        if type(value) not in kinds[tag] or value in (math.inf, -math.inf):
            self._refuse(event, f"the value does not fit its tag {tag}")
        return float(value) if tag == _TAG + "float" else value


class _Builder:
    """Nodes → plain data and positions, aliases and merge keys expanded; the composer has counted them."""

    def __init__(self) -> None:
        self._values: dict[KeyPath, Span] = {}
        self._keys: dict[KeyPath, Span] = {}

    def build(self, root: _Node) -> Document:
        data = self._data(root, ())
        whole = self._values.pop(())
        return Document(data, Positions(self._values, self._keys, whole=whole))

    def _data(self, node: _Node, path: KeyPath) -> Any:
        self._values[path] = node.span
        if len(path) > MAX_DEPTH:
            raise ConfigError([Problem(node.span, f"nested deeper than {MAX_DEPTH} levels")])
        if node.kind == "list":
            return [self._data(item, (*path, index)) for index, item in enumerate(node.value)]
        if node.kind == "map":
            return self._map(node, path)
        return node.value

    def _map(self, node: _Node, path: KeyPath) -> dict[str, Any]:
        """Its own keys, then others' (YAML 1.1 merge key: the first to name a key wins)."""
        data: dict[str, Any] = {}
        pending = [node]
        while pending:
            source = pending.pop()
            if source.kind == "list":
                pending.extend(reversed(source.value))
                continue
            for key, value in source.value:
                if key.merges:
                    pending.append(value)
                elif key.value not in data:
                    inner = (*path, key.value)
                    self._keys[inner] = key.span
                    data[key.value] = self._data(value, inner)
        return data
