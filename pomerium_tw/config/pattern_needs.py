"""What every match of a regular expression begins with, or holds: to tell of one that matches nothing.

Only what is sure is said. A character inside ``[ ]`` is taken for meant: so ``[%]20`` and ``[?]`` are how to
write what would be told of otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import re2

_NOTHING = r"[^\x00-\x{10FFFF}]"
"""Matches no character at all."""
_CLASS = r"\[\^?\]?(?:\\.|\[:\^?[a-z]+:\]|[^\]\\])*\]"
_HIDING = rf"{_CLASS}|\\."
"""What hides the characters in it: classes, and what a backslash precedes."""
_QUOTED = r"\Q"
_MAX_BOUND_BYTES = 128
_EMPTY_PROGRAM = 1
"""Instructions of a pattern that RE2 knows to match nothing."""


def holds(pattern: str, piece: str) -> bool:
    """Whether ``piece``, a regular expression over patterns, is found in this one outside of classes."""
    return _without(pattern, piece) != pattern


def needs(pattern: str, piece: str) -> bool:
    """Whether nothing matches without what ``piece`` finds in the pattern."""
    without = _without(pattern, piece)
    return without != pattern and bool(_compiled(without).programsize == _EMPTY_PROGRAM)


def replaced(pattern: str, piece: str, by: Callable[[str], str]) -> str:
    """The pattern with something else in the place of each piece outside of classes."""
    if _QUOTED in pattern:
        return pattern
    return re.sub(
        rf"(?P<piece>{piece})|{_HIDING}",
        lambda found: found[0] if found["piece"] is None else by(found[0]),
        pattern,
        flags=re.DOTALL,
    )


def outline(pattern: str) -> str | None:
    """``x`` in the place of classes and of what a backslash precedes; None where quoting makes it hard."""
    return None if _QUOTED in pattern else re.sub(_HIDING, "x", pattern, flags=re.DOTALL)


def finds_empty(pattern: str) -> bool:
    """Whether the empty text is a match."""
    return _compiled(pattern).fullmatch("") is not None


def bounds(pattern: str) -> tuple[bytes, bytes]:
    """What all matches lie between, the two included, as far as RE2 can tell; at worst, everything."""
    try:
        low, high = _compiled(pattern).possiblematchrange(_MAX_BOUND_BYTES)
    except re2.error:
        return b"", b"\xff"
    return low, high


def _without(pattern: str, piece: str) -> str:
    """The pattern with nothing that matches in the place of each piece."""
    return replaced(pattern, piece, lambda _found: _NOTHING)


def _compiled(pattern: str) -> Any:
    options = re2.Options()
    options.log_errors = False
    return re2.compile(pattern, options)
