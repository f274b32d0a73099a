"""Where the values and the comments of a YAML text stand, so that its comments find their nodes.

The text has been accepted by :func:`~pomerium_tw.config.yaml_source.read_yaml` before: limits, duplicate keys
and keys that are not text are not looked for again.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from typing import Any

import yaml
from yaml._yaml import CParser
from yaml.events import (
    AliasEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
)

from policy_grammar import Extent, Found, Layout

from .positions import KeyPath

_Place = tuple[int, int]
_LINE_END = 1 << 30
_BREAK = re.compile("\r\n|[\r\n\x85\u2028\u2029]")
_COMMENT = re.compile("#[^\r\n\x85\u2028\u2029]*")
_BLANK_LINE = re.compile("[ \t]*(?:\r\n|[\r\n])[ \t]*[\r\n]")
_BLOCK_HEADER = re.compile("[|>][-+0-9]*[ \t]+(?=#)")


def read_layout(text: str) -> Layout:
    """The extents, named by their path in the data, and the comments of a YAML text."""
    comments = tuple(_comments(text)) if "#" in text else ()
    return Layout(tuple(_Walker(text).extents) if comments else (), comments)


def has_anchors(text: str) -> bool:
    """Whether values are named in the text to be used again; data does not show it."""
    if "&" not in text:
        return False
    return any(isinstance(token, yaml.AnchorToken) for token in yaml.scan(text, Loader=yaml.CSafeLoader))


def _comments(text: str) -> Iterator[Found]:
    """Comments stand in the gaps between tokens, and beside the head of a block scalar."""
    starts = [0, *(match.end() for match in _BREAK.finditer(text))]
    end = 0
    for token in yaml.scan(text, Loader=yaml.CSafeLoader):
        begin = token.start_mark.index
        gap = end
        while gap < begin and (match := _COMMENT.search(text, gap, begin)):
            yield _found(text, starts, match)
            gap = match.end()
        if isinstance(token, yaml.ScalarToken) and (head := _BLOCK_HEADER.match(text, begin)):
            header = _COMMENT.match(text, head.end()) if token.style in ("|", ">") else None
            if header:
                yield _found(text, starts, header)
        end = max(end, token.end_mark.index)


def _found(text: str, starts: list[int], match: re.Match[str]) -> Found:
    line = bisect_right(starts, match.start())
    place = (line, match.start() - starts[line - 1] + 1)
    return Found(place, match.group().rstrip(), _BLANK_LINE.match(text, match.end()) is not None)


class _Walker:
    """Goes over the events of a text and notes from where to where each value stands, with its key."""

    def __init__(self, text: str) -> None:
        self._parser = CParser(text)
        self._anchors: dict[str, str] = {}
        self.extents: list[Extent] = []
        self._event()  # the stream begins
        if not isinstance(self._event(), StreamEndEvent):
            self._node(self._event(), ())

    def _event(self) -> Event:
        event = self._parser.get_event()
        if event is None:
            raise ValueError("the text was not read before")
        return event

    def _node(self, event: Event, path: KeyPath, key: Event | None = None) -> _Place:
        """Note the value that begins with an event; where it ends."""
        index = len(self.extents)
        begin = _start(key or event)
        self.extents.append(Extent(path, begin, begin))
        if not isinstance(event, SequenceStartEvent | MappingStartEvent):
            if isinstance(event, ScalarEvent) and event.anchor:
                self._anchors[event.anchor] = event.value
            end = max(_end(event), _end(key) if key else begin)
            self.extents[index] = Extent(path, begin, end)
            return end
        content = _start(event)
        end, closing = self._members(event, path, content)
        if event.flow_style:
            extent = Extent(path, begin, closing, (content[0], content[1] + 1))
        else:
            member = self.extents[index + 1] if len(self.extents) > index + 1 else None
            column = content[1] if not (event.anchor or event.tag) or member is None else member.start[1]
            extent = Extent(path, begin, end, _inside(event, key), column)
        self.extents[index] = extent
        return extent.end

    def _members(self, event: Event, path: KeyPath, content: _Place) -> tuple[_Place, _Place]:
        """Where the last member ends, and where the list or mapping itself does."""
        end = content
        if isinstance(event, SequenceStartEvent):
            index = 0
            while not isinstance(item := self._event(), SequenceEndEvent):
                end = self._node(item, (*path, index))
                index += 1
            return end, _end(item)
        while not isinstance(key := self._event(), MappingEndEvent):
            end = self._node(self._event(), (*path, self._name(key)), key)
        return end, _end(key)

    def _name(self, key: Event) -> str:
        if isinstance(key, ScalarEvent):
            if key.anchor:
                self._anchors[key.anchor] = key.value
            return str(key.value)
        return self._anchors.get(key.anchor or "", "") if isinstance(key, AliasEvent) else ""


def _start(event: Any) -> _Place:
    return event.start_mark.line + 1, event.start_mark.column + 1


def _end(event: Any) -> _Place:
    line, column = event.end_mark.line + 1, event.end_mark.column + 1
    if column == 1 and getattr(event, "style", None) in ("|", ">"):
        return line - 1, _LINE_END  # the mark stands behind the line break
    return line, column


def _inside(event: Event, key: Event | None) -> _Place:
    """Where the inside of a block begins. A list without a key has no line for a comment beside it."""
    if key:
        return _end(key)
    return (0, 0) if isinstance(event, SequenceStartEvent) else _start(event)
