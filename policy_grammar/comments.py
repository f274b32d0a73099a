"""Comments of a policy, and the one rule by which each finds the node that it belongs to.

Both notations use it: a reader says where its nodes and its comments stand, :func:`attach` answers with the
comments of each node. Every comment lands in exactly one slot, in the order in which they were written.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, NamedTuple

Key = tuple[str | int, ...]
"""What a reader calls one of its nodes; ``()`` is the document."""

Place = tuple[int, int]
"""Line and column, both 1-based."""

FORBIDDEN: Final = "\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffe\uffff"
"""Members of a character class: what no comment may hold, for either notation to carry it on one line."""

_LINE: Final = re.compile(f"#[^{FORBIDDEN}]*")


@dataclass(frozen=True, slots=True)
class Comments:
    """The comments of one node, each as written from its ``#`` on, without the blanks at its end.

    Among the lines of ``before`` and ``last`` an empty text stands for a blank line.
    """

    before: tuple[str, ...] = ()
    """On lines of their own, above the node."""
    beside: str = ""
    """On the line of the node; of a node over several lines, on the first one."""
    last: tuple[str, ...] = ()
    """On lines of their own inside the node, below everything else in it."""
    after: str = ""
    """On the last line of a node over several lines, beside its closing bracket."""

    def __post_init__(self) -> None:
        for line in (*self.before, self.beside, *self.last, self.after):
            if line and not _LINE.fullmatch(line):
                raise ValueError(f"a comment is one line that begins with #: {line!r}")

    def __bool__(self) -> bool:
        return bool(self.before or self.beside or self.last or self.after)


NO_COMMENTS: Final = Comments()


class Found(NamedTuple):
    """A comment in a text."""

    place: Place
    text: str
    spaced: bool
    """A blank line follows."""


@dataclass(frozen=True, slots=True)
class Extent:
    """From where to where one node stands in a text."""

    key: Key
    start: Place
    end: Place
    """One past its last character."""
    opened: Place | None = None
    """Where its inside begins, after the opening bracket or the key; None for a node without an inside."""
    column: int = 0
    """Of a block without brackets (YAML): column of its members. Comments below it, as far right, are its."""
    head: Key | None = None
    """The node that takes the comment beside the opening bracket, where that is another one."""


@dataclass(frozen=True, slots=True)
class Layout:
    """All nodes of a text, parents first, then by where they start; and all its comments, in order."""

    extents: tuple[Extent, ...] = ()
    comments: tuple[Found, ...] = ()


def attach(extents: Iterable[Extent], comments: Iterable[Found]) -> dict[Key, Comments]:
    """The comments of each node that has any.

    A comment alone on its line belongs to the node that follows it inside the same block, else to the end
    of that block. One that shares its line belongs to the node that ends on it, else to the block that opens
    on it. ``extents`` come as in :class:`Layout`.
    """
    root = _Region(Extent((), (0, 0), (1 << 60, 0), (0, 0)))
    stack = [root]
    for extent in extents:
        while len(stack) > 1 and extent.start >= stack[-1].extent.end:
            stack.pop()
        region = _Region(extent)
        stack[-1].members.append(region)
        stack.append(region)
    slots: dict[Key, _Slots] = {}
    finder = _Finder(root)
    for comment in comments:
        key, slot = finder.home(comment)
        slots.setdefault(key, _Slots()).put(slot, comment)
    return {key: each.comments() for key, each in slots.items()}


class _Region:
    """An extent with the extents that stand inside it."""

    __slots__ = ("extent", "members", "starts")

    def __init__(self, extent: Extent) -> None:
        self.extent = extent
        self.members: list[_Region] = []
        self.starts: list[Place] | None = None

    def around(self, place: Place) -> tuple[_Region | None, _Region | None]:
        """The last member that starts before a place, and the first one after it."""
        if self.starts is None:
            self.starts = [member.extent.start for member in self.members]
        index = bisect_right(self.starts, place)
        earlier = self.members[index - 1] if index else None
        return earlier, self.members[index] if index < len(self.members) else None


class _Finder:
    """Finds the home of one comment after the other."""

    def __init__(self, root: _Region) -> None:
        self._root = root
        self._gap: tuple[_Region, _Region | None] | None = None
        self._depth = 0
        """How deep the comment before this one went into the blocks that end in this gap."""

    def home(self, comment: Found) -> tuple[Key, str]:
        place = comment.place
        region, earlier, later = self._root, *self._root.around(place)
        while earlier and place < earlier.extent.end:
            region, (earlier, later) = earlier, earlier.around(place)
        extent = region.extent
        if extent.opened is None or place < extent.opened:
            return extent.key, "before"
        if earlier and earlier.extent.end[0] == place[0]:
            return self._beside(earlier)
        if not earlier and region is not self._root and extent.opened[0] == place[0]:
            return extent.key if extent.head is None else extent.head, "beside"
        return self._alone(place, region, earlier, later)

    @staticmethod
    def _beside(region: _Region) -> tuple[Key, str]:
        """Of the nodes that end on a line without a bracket of their own, the innermost has the comment."""
        line = region.extent.end[0]
        while region.extent.column and region.members and region.members[-1].extent.end[0] == line:
            region = region.members[-1]
        extent = region.extent
        if extent.opened is None or extent.start[0] == line:
            return extent.key, "beside"
        return extent.key, "last" if extent.column else "after"

    def _alone(
        self, place: Place, region: _Region, earlier: _Region | None, later: _Region | None
    ) -> tuple[Key, str]:
        gap = (region, earlier)
        deepest = self._depth if gap == self._gap else 1 << 30
        depth = 0
        while depth < deepest and earlier and 0 < earlier.extent.column <= place[1]:
            region, later = earlier, None
            earlier = region.members[-1] if region.members else None
            depth += 1
        self._gap, self._depth = gap, depth
        return (later.extent.key, "before") if later else (region.extent.key, "last")


@dataclass(slots=True)
class _Slots:
    """The comments of one node while they are gathered."""

    before: list[str] = field(default_factory=list)
    beside: str = ""
    last: list[str] = field(default_factory=list)
    after: str = ""
    spaced: set[str] = field(default_factory=set)
    """Slots whose latest comment has a blank line below it."""

    def put(self, slot: str, comment: Found) -> None:
        if slot in ("beside", "after") and not getattr(self, slot):
            setattr(self, slot, comment.text)
            return
        lines = self.before if slot == "before" else self.last
        if slot in self.spaced:
            lines.append("")
        lines.append(comment.text)
        if comment.spaced:
            self.spaced.add(slot)
        else:
            self.spaced.discard(slot)

    def comments(self) -> Comments:
        blank = ("",) if "before" in self.spaced else ()
        return Comments((*self.before, *blank), self.beside, tuple(self.last), self.after)
