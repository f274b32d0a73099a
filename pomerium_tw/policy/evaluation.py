"""What evaluating a policy yields, shared between all requests that came to the same."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

from policy_grammar import Policy
from pomerium_tw.model import Identity, Request

from .inputs import values_of

CRITERION_ERROR: Final = "criterion-error"
"""The reason of a denial because a criterion failed to answer."""

MAX_EVALUATIONS: Final = 4096
"""Distinct outcomes that one policy keeps; real ones have a few dozen. Others are built each time."""

ALLOWED: Final = 1
DENIED: Final = 2
REASONS: Final = 2
"""An outcome in one integer: bit 0 is allow, bit 1 deny, reasons follow from this bit on."""


_NO_DATA: Final[Mapping[str, str]] = MappingProxyType({})

Said = str | tuple[str, str]
"""What one bit of an outcome stands for: a reason, or a name with its value."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The values of allow and deny, and the reasons for each (spec/ppl §2). What follows from them is §6."""

    allow: bool
    allow_reasons: frozenset[str]
    deny: bool
    deny_reasons: frozenset[str]
    allow_data: Mapping[str, str] = field(default_factory=lambda: _NO_DATA)
    """What criteria added to their answers (``device_type``); merged as reasons are."""
    deny_data: Mapping[str, str] = field(default_factory=lambda: _NO_DATA)


FAILED: Final = Evaluation(False, frozenset({CRITERION_ERROR}), True, frozenset({CRITERION_ERROR}))
"""The answer when any criterion failed: no other rule can let the caller in."""


class Outcomes:
    """Builds the evaluation of an outcome when it is first met; from then on it is shared."""

    def __init__(self, said: Sequence[tuple[str, Said]], known: dict[int, Evaluation]) -> None:
        """``said``: (action, reason or datum) of each bit from ``REASONS``; ``known`` keeps what is built."""
        self._said = tuple(said)
        self._known = known

    def __call__(self, outcome: int) -> Evaluation:
        evaluation = merged(
            bool(outcome & ALLOWED),
            self._of("allow", outcome),
            bool(outcome & DENIED),
            self._of("deny", outcome),
        )
        if len(self._known) < MAX_EVALUATIONS:
            self._known[outcome] = evaluation
        return evaluation

    def _of(self, side: str, outcome: int) -> list[Said]:
        bits = outcome >> REASONS
        return [said for bit, (action, said) in enumerate(self._said) if action == side and bits & (1 << bit)]


def merged(allow: bool, allow_said: Iterable[Said], deny: bool, deny_said: Iterable[Said]) -> Evaluation:
    """The evaluation of two sides of which each said some things."""
    allow_said, deny_said = tuple(allow_said), tuple(deny_said)
    return Evaluation(
        allow, _reasons(allow_said), deny, _reasons(deny_said), _data(allow_said), _data(deny_said)
    )


def _reasons(said: Sequence[Said]) -> frozenset[str]:
    return frozenset(each for each in said if isinstance(each, str))


def _data(said: Sequence[Said]) -> Mapping[str, str]:
    # Sorted, so that of several values the greatest stays.
    return MappingProxyType(dict(sorted(each for each in said if not isinstance(each, str))))


@dataclass(frozen=True, slots=True)
class CompiledPolicy:
    """One or more policies, ORed, as one function."""

    evaluate: Callable[[Request, Identity], Evaluation]
    """The decision on one request. Fails closed and raises nothing; equal outcomes are one object."""
    reads: frozenset[str]
    """The inputs that the outcome depends on, names of ``INPUTS``."""
    policies: tuple[Policy, ...]
    """What it was compiled from."""
    source: str
    """The generated Python, for a person who wants to read it. Holds no text of the policies."""

    def inputs(self, request: Request, identity: Identity) -> tuple[Any, ...] | None:
        """What this outcome depends on: it may be used again exactly while that is equal.

        None where it depends on the time or on external data: then it may not.
        """
        return values_of(self.reads, request, identity)
