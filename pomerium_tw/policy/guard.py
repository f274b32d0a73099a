"""Calls of criteria that we did not write: only True is true, and a failure is never silent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from policy_grammar import Criterion

from .branches import Match

MAX_MATCH_SECONDS: Final = 0.05
"""A match that ran longer denies from then on (threats PO-11): it cannot be cut off, and others wait."""

OnError = Callable[[Criterion | None, BaseException], None]
"""Told of each criterion that failed, and how; None for a failure outside of any plugin's criterion."""


class CriterionFailedError(Exception):
    """A criterion gave no usable answer."""

    def __init__(self, criterion: Criterion, cause: BaseException) -> None:
        super().__init__(criterion.key, cause)
        self.criterion = criterion
        self.cause = cause


class GuardedMatch:
    """A plugin's match that answers True or False, or raises CriterionFailedError."""

    def __init__(self, criterion: Criterion, match: Match, clock: Callable[[], float]) -> None:
        """``clock`` gives seconds that only ever grow."""
        self._criterion = criterion
        self._match = match
        self._clock = clock
        self._overrun: TimeoutError | None = None

    def __call__(self, *arguments: object, **named: object) -> bool:
        if self._overrun:
            raise CriterionFailedError(self._criterion, self._overrun)
        started = self._clock()
        try:
            answer: object = self._match(*arguments, **named)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # SystemExit too is no answer
            raise CriterionFailedError(self._criterion, error) from error
        finally:
            # Also of one that raised: a time-out that it waits for at every request is no better.
            self._took(self._clock() - started)
        if self._overrun:
            raise CriterionFailedError(self._criterion, self._overrun)
        if answer is True or answer is False:
            return answer is True
        raise CriterionFailedError(
            self._criterion, TypeError(f"answered {type(answer).__name__}, not a bool")
        )

    def _took(self, spent: float) -> None:
        if spent > MAX_MATCH_SECONDS:
            self._overrun = TimeoutError(
                f"a match took {spent:.3f} s, over {MAX_MATCH_SECONDS} s: it denies until loaded again"
            )
