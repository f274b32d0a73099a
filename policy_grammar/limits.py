"""How large a policy may be. Checked before any work that grows with the input."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

MAX_TEXT: Final = 1_000_000
"""Characters of one ``.ppl`` text."""

MAX_NODES: Final = 200_000
"""JSON values (objects, lists, scalars) of one policy given as data; YAML aliases count at each use."""

MAX_DEPTH: Final = 32
"""Lists and objects inside one another in the data of a criterion."""

MAX_NUMBER_BITS: Final = 1024
"""Size of an integer operand; the range of a JSON number that also fits a double."""


def too_deep(data: Any, room: int = MAX_DEPTH) -> bool:
    """Whether lists and objects stand inside one another more than ``room`` deep; looks no deeper."""
    if isinstance(data, dict):
        inner: Collection[Any] = data.values()
    elif isinstance(data, list):
        inner = data
    else:
        return False
    return room == 0 or any(too_deep(value, room - 1) for value in inner)
