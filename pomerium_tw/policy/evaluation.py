"""What evaluating a policy yields, shared between all requests that came to the same."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from policy_grammar import Policy
from pomerium_tw.model import Identity, Request

CRITERION_ERROR: Final = "criterion-error"
"""The reason of a denial because a criterion failed to answer."""

MAX_EVALUATIONS: Final = 4096
"""Distinct outcomes that one policy keeps; real ones have a few dozen. Others are built each time."""

ALLOWED: Final = 1
DENIED: Final = 2
REASONS: Final = 2
"""An outcome in one integer: bit 0 is allow, bit 1 deny, reasons follow from this bit on."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The values of allow and deny, and the reasons for each (spec/ppl §2). What follows from them is §6."""

    allow: bool
    allow_reasons: frozenset[str]
    deny: bool
    deny_reasons: frozenset[str]


FAILED: Final = Evaluation(False, frozenset({CRITERION_ERROR}), True, frozenset({CRITERION_ERROR}))
"""The answer when any criterion failed: no other rule can let the caller in."""


class Outcomes(dict[int, Evaluation]):
    """Outcomes by integer, built when first met and then shared."""

    def __init__(self, reasons: Sequence[tuple[str, str]]) -> None:
        """``reasons``: (action, reason) of each bit from ``REASONS`` on."""
        super().__init__()
        self._reasons = tuple(reasons)

    def __missing__(self, outcome: int) -> Evaluation:
        evaluation = Evaluation(
            bool(outcome & ALLOWED),
            self._why("allow", outcome),
            bool(outcome & DENIED),
            self._why("deny", outcome),
        )
        if len(self) < MAX_EVALUATIONS:
            self[outcome] = evaluation
        return evaluation

    def _why(self, side: str, outcome: int) -> frozenset[str]:
        bits = outcome >> REASONS
        return frozenset(
            reason
            for bit, (action, reason) in enumerate(self._reasons)
            if action == side and bits & (1 << bit)
        )


@dataclass(frozen=True, slots=True)
class CompiledPolicy:
    """One or more policies, ORed, as one function."""

    evaluate: Callable[[Request, Identity], Evaluation]
    """The decision on one request. Fails closed and raises nothing; equal outcomes are one object."""
    reads: frozenset[str]
    """The inputs that the outcome depends on, names of ``INPUTS``: while they are the same, so is it."""
    policies: tuple[Policy, ...]
    """What it was compiled from."""
    source: str
    """The generated Python, for a person who wants to read it. Holds no text of the policies."""
