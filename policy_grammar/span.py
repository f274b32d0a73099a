"""Where a thing stands in a text that a person wrote."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Span:
    """One place in a file, an environment variable or another named source."""

    file: str
    """Path as the reader gave it, or a name such as ``environment POLICY``."""
    line: int = 0
    """1-based; 0 when the source has no lines (an environment variable)."""
    column: int = 0
    """1-based, in characters; 0 when unknown."""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file


NOWHERE = Span("")


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that ``word`` most likely stands for, or None when nothing is close."""
    matches = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return matches[0] if matches else None
