"""What ``policy eval`` answers to each kind of conformance case: adapters from its input to the product."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from . import headers, policies, responses

_ANSWERS = {**policies.ANSWERS, **responses.ANSWERS, **headers.ANSWERS}

KINDS = tuple(sorted(_ANSWERS))


def answer(case: Mapping[str, Any]) -> dict[str, Any]:
    """The answer to a case, without its id. Raises ValueError for an unknown kind, or what its input does."""
    kind = case.get("kind")
    if kind not in _ANSWERS:
        raise ValueError(f"there is no kind {kind!r}; known: {', '.join(KINDS)}")
    return _ANSWERS[kind](case)
