"""From a criterion as written to the answers it can give."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from policy_grammar import Criterion, Operator, Policy, Rule, did_you_mean

from .branches import ARGUMENTS, SIGNED_IN, Alternatives, Branch, Call
from .criteria import BUILT_IN
from .environment import Environment
from .errors import PolicyError
from .inputs import INPUTS
from .interface import ICheckedCriterion, ICriterion


@dataclass(frozen=True, slots=True)
class Prepared:
    """One use of a criterion."""

    branches: tuple[Branch, ...]
    """Functions among the conditions are calls."""
    reads: frozenset[str]
    """Names of ``INPUTS``."""


def prepare(
    criterion: Criterion,
    criteria: Mapping[str, ICriterion] = BUILT_IN,
    environment: Environment = Environment(),  # noqa: B008 - immutable
) -> Prepared:
    """What the criterion can say, checked. Raises PolicyError, whatever a plugin raises."""
    meaning = _lookup(criterion, criteria)
    try:
        branches, reads = tuple(meaning.prepare(criterion)), frozenset(meaning.reads)
        if ICheckedCriterion.providedBy(meaning):
            reads = meaning.check(criterion, environment)
        return _checked(criterion, branches, reads)
    except PolicyError:
        raise
    except Exception as error:
        raise PolicyError(f"{criterion.name} cannot read its data: {error!r}", criterion.span) from error


def _checked(criterion: Criterion, branches: tuple[Branch, ...], reads: frozenset[str]) -> Prepared:
    if unknown := reads - INPUTS:
        raise PolicyError(f"{criterion.name} reads {sorted(unknown)}, which no request has", criterion.span)
    if [branch.when is None for branch in branches] != [False] * (len(branches) - 1) + [True]:
        message = f"the last answer of {criterion.name}, and only the last, must have no condition"
        raise PolicyError(message, criterion.span)
    if not all(isinstance(branch.value, bool) and isinstance(branch.reason, str) for branch in branches):
        message = f"an answer of {criterion.name} is not True or False with a text for its reason"
        raise PolicyError(message, criterion.span)
    called = tuple(_called(branch, criterion) for branch in branches)
    # Who is asked to sign in is told something else once there is a session.
    asks = any(branch.when == SIGNED_IN for branch in called)
    return Prepared(called, reads | {"identity"} if asks else reads)


def alone(criterion: Criterion) -> Policy:
    """A policy that allows where the criterion holds, and says what it says."""
    return Policy("", (Rule("allow", (Operator("or", (criterion,)),)),))


def _called(branch: Branch, criterion: Criterion) -> Branch:
    when: object = branch.when  # a plugin may have put anything there
    if callable(when):
        when = Call(when)
    if isinstance(when, Call):
        when = replace(when, arguments=tuple(when.arguments))
        if unknown := set(when.arguments) - set(ARGUMENTS):
            message = f"{criterion.name} asks for {sorted(unknown)}, which nobody has"
            raise PolicyError(message, criterion.span)
    if not isinstance(when, Call | Alternatives | tuple | None):
        message = f"a condition of {criterion.name} is {type(when).__name__}, not a function"
        raise PolicyError(message, criterion.span)
    return Branch(when, branch.value, branch.reason, tuple(branch.data))


def _lookup(criterion: Criterion, criteria: Mapping[str, ICriterion]) -> ICriterion:
    meaning = criteria.get(criterion.name)
    if meaning is not None:
        return meaning
    raise PolicyError(
        f"unknown policy criterion: {criterion.name}",
        criterion.span,
        did_you_mean(criterion.name, sorted(criteria)),
    )
