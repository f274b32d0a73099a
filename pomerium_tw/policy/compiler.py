"""From syntax trees to one Python function."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from policy_grammar import NOWHERE, Criterion, Policy

from .branches import Branch, Call
from .criteria import BUILT_IN
from .environment import Environment
from .evaluation import FAILED, CompiledPolicy, Evaluation, Outcomes
from .generate import Generator
from .guard import CriterionFailedError, GuardedMatch, OnError
from .interface import ICriterion
from .prepare import prepare


def _unheard(_criterion: Criterion | None, _error: BaseException) -> None:
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
    or refuse their data, and for more of them than Python can compile.
    """
    reads: set[str] = set()
    generator = Generator(policies[0].span if policies else NOWHERE)
    for rule in (rule for policy in policies for rule in policy.rules):
        for operator in rule.operators:
            uses = []
            for criterion in operator.criteria:
                prepared = prepare(criterion, criteria, environment)
                reads |= prepared.reads
                uses.append(tuple(_guarded(branch, criterion, clock) for branch in prepared.branches))
            generator.add(rule.action, operator.kind, uses)

    def failed(error: Exception) -> Evaluation:
        if isinstance(error, CriterionFailedError):
            on_error(error.criterion, error.cause)
        else:
            on_error(None, error)
        return FAILED

    evaluate, source = generator.build(Outcomes, failed, environment)
    return CompiledPolicy(evaluate, frozenset(reads), tuple(policies), source)


def _guarded(branch: Branch, criterion: Criterion, clock: Callable[[], float]) -> Branch:
    """The branch with its call, if it is one, in a guard."""
    if not isinstance(branch.when, Call):
        return branch
    guard = GuardedMatch(criterion, branch.when.match, clock)
    return Branch(replace(branch.when, match=guard), branch.value, branch.reason, branch.data)
