"""From syntax trees to one Python function."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

from policy_grammar import Criterion, Policy, did_you_mean

from .branches import ARGUMENTS, Branch, Call
from .criteria import BUILT_IN, NOT_BUILT
from .environment import Environment
from .errors import PolicyError
from .evaluation import FAILED, CompiledPolicy, Evaluation, Outcomes
from .generate import Generator
from .guard import CriterionFailedError, GuardedMatch, OnError
from .interface import INPUTS, ICriterion


def _unheard(_criterion: Criterion | None, _error: Exception) -> None:
    """Nobody asked to be told."""


def compile_policy(
    policies: Sequence[Policy],
    criteria: Mapping[str, ICriterion] = BUILT_IN,
    environment: Environment = Environment(),  # noqa: B008 - immutable
    *,
    on_error: OnError = _unheard,
    clock: Callable[[], float] = time.perf_counter,
) -> CompiledPolicy:
    """The policies, ORed (spec/ppl §2), as one function.

    ``on_error`` is told of each criterion that fails while a request is decided and must not raise; ``clock``
    (seconds, never going back) times the matches of plugins. Raises PolicyError for criteria that are unknown
    or refuse their data.
    """
    reads: set[str] = set()
    generator = Generator()
    for rule in (rule for policy in policies for rule in policy.rules):
        for operator in rule.operators:
            prepared = [_prepared(each, criteria, clock, reads) for each in operator.criteria]
            generator.add(rule.action, operator.kind, prepared)

    def failed(error: Exception) -> Evaluation:
        if isinstance(error, CriterionFailedError):
            on_error(error.criterion, error.cause)
        else:
            on_error(None, error)
        return FAILED

    evaluate, source = generator.build(Outcomes, failed, environment)
    return CompiledPolicy(evaluate, frozenset(reads), tuple(policies), source)


def _prepared(
    criterion: Criterion,
    criteria: Mapping[str, ICriterion],
    clock: Callable[[], float],
    reads: set[str],
) -> tuple[Branch, ...]:
    """The branches of one use of a criterion, calls guarded; adds to ``reads`` what it reads."""
    meaning = _lookup(criterion, criteria)
    try:
        branches = tuple(meaning.prepare(criterion))
    except PolicyError:
        raise
    except Exception as error:
        raise PolicyError(f"{criterion.name} cannot read its data: {error!r}", criterion.span) from error
    if unknown := meaning.reads - INPUTS:
        raise PolicyError(f"{criterion.name} reads {sorted(unknown)}, which no request has", criterion.span)
    if [branch.when is None for branch in branches] != [False] * (len(branches) - 1) + [True]:
        message = f"the last answer of {criterion.name}, and only the last, must have no condition"
        raise PolicyError(message, criterion.span)
    reads |= meaning.reads
    return tuple(_guarded(branch, criterion, clock) for branch in branches)


def _guarded(branch: Branch, criterion: Criterion, clock: Callable[[], float]) -> Branch:
    """The branch with its call, if it is one, in a guard."""
    when = Call(branch.when) if callable(branch.when) else branch.when
    if not isinstance(when, Call):
        return branch
    if unknown := set(when.arguments) - set(ARGUMENTS):
        raise PolicyError(f"{criterion.name} asks for {sorted(unknown)}, which nobody has", criterion.span)
    guarded = Call(GuardedMatch(criterion, when.match, clock), when.arguments)
    return Branch(guarded, branch.value, branch.reason, branch.data)


def _lookup(criterion: Criterion, criteria: Mapping[str, ICriterion]) -> ICriterion:
    meaning = criteria.get(criterion.name)
    if meaning is not None:
        return meaning
    if criterion.name in NOT_BUILT:
        hint = "remove it, or wait for the release that has it: a policy is never loaded in part"
        raise PolicyError(f"policy criterion not built yet: {criterion.name}", criterion.span, hint)
    raise PolicyError(
        f"unknown policy criterion: {criterion.name}",
        criterion.span,
        did_you_mean(criterion.name, sorted({*criteria, *NOT_BUILT})),
    )
