"""A configuration text turned into plain data that remembers where everything stood."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from .positions import Positions


@dataclass(frozen=True, slots=True)
class Document:
    """Plain data (None, bool, int, float, str, list, dict with text keys) and its positions."""

    data: Any
    positions: Positions
    text: str = field(default="", repr=False)
    """What it was read from."""
