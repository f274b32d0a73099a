"""What every match of a regular expression begins with, or holds: to tell of one that matches nothing.

Only what is sure is said. A character inside ``[ ]`` is taken for meant: so ``[%]20`` and ``[?]`` are how to
write what would be told of otherwise.
"""

from __future__ import annotations

import re
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


def bounds(pattern: str) -> tuple[bytes, bytes]:
    """What all matches lie between, the two included, as far as RE2 can tell; at worst, everything."""
    try:
        low, high = _compiled(pattern).possiblematchrange(_MAX_BOUND_BYTES)
    except re2.error:
        return b"", b"\xff"
    return low, high


def _without(pattern: str, piece: str) -> str:
    """The pattern with nothing that matches in the place of each piece."""
    if _QUOTED in pattern:
        return pattern
    return re.sub(
        rf"(?P<piece>{piece})|{_HIDING}",
        lambda found: found[0] if found["piece"] is None else _NOTHING,
        pattern,
        flags=re.DOTALL,
    )


def _compiled(pattern: str) -> Any:
    options = re2.Options()
    options.log_errors = False
    return re2.compile(pattern, options)
