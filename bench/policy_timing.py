"""Repetitions in turn, and their medians."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

FOREIGN_LIMIT = 0.10
"""Share of a repetition's time that others may take from this process; above, it is dropped and run again.

Their time is not counted, but they empty the processor's caches.
"""

EXTRA_ROUNDS = 3
"""Further rounds for repetitions that were dropped."""

Work = Callable[[], tuple[float, int]]
"""Does something for a while; gives the seconds on its clock, and how many times it was done."""


@dataclass(frozen=True, slots=True)
class Case:
    """What is measured. ``engine`` and ``way`` are keys of the report's rows and columns."""

    size: int
    """Criteria, or rules where the time to load is measured."""
    way: str
    """``allow`` or ``deny``, the outcome of all requests, or ``load``."""
    engine: str


@dataclass(frozen=True, slots=True)
class Repetition:
    """One case for a while."""

    case: Case
    microseconds: float
    """Of one decision, or of one load."""
    foreign: float
    """Share of the time in which this process did not run."""

    @property
    def disturbed(self) -> bool:
        return self.foreign > FOREIGN_LIMIT


@dataclass(frozen=True, slots=True)
class Row:
    """The medians of one case."""

    case: Case
    microseconds: float
    least: float
    most: float
    kept: int
    dropped: int
    disturbed: bool
    """No repetition was left in peace: these are the medians of disturbed ones."""

    @property
    def rate(self) -> float:
        """How many a second."""
        return 1e6 / self.microseconds


def rounds(works: Mapping[Case, Work], wanted: int) -> list[Repetition]:
    """Interleaved (A B C, A B C): a slow minute of the machine hits all. Dropped ones are run again."""
    done: list[Repetition] = []
    good = dict.fromkeys(works, 0)
    for _ in range(wanted + EXTRA_ROUNDS):
        for case, work in works.items():
            if good[case] < wanted:
                done.append(_repetition(case, work))
                good[case] += not done[-1].disturbed
    return done


def _repetition(case: Case, work: Work) -> Repetition:
    # The collector runs as it would for the caller, but not over what this benchmark holds.
    gc.collect()
    gc.freeze()
    began, ran = time.perf_counter(), time.process_time()
    seconds, times = work()
    foreign = 1 - (time.process_time() - ran) / (time.perf_counter() - began)
    gc.unfreeze()
    return Repetition(case, seconds / times * 1e6, max(0.0, foreign))


def rows(repetitions: Sequence[Repetition]) -> dict[Case, Row]:
    """The medians of each case; of disturbed repetitions only where there is no other."""
    by_case: dict[Case, list[Repetition]] = {}
    for repetition in repetitions:
        by_case.setdefault(repetition.case, []).append(repetition)
    return {case: _row(case, each) for case, each in by_case.items()}


def _row(case: Case, repetitions: Sequence[Repetition]) -> Row:
    kept = [each for each in repetitions if not each.disturbed] or repetitions
    spent = [each.microseconds for each in kept]
    dropped = len(repetitions) - len(kept)
    return Row(case, median(spent), min(spent), max(spent), len(kept), dropped, kept[0].disturbed)
