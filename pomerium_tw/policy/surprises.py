"""Policies that mean more than they seem to: most let callers in without a session (spec/ppl §4.4).

Pomerium's meaning stays as it is; these are warnings, and errors where the policy has to be strict.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from policy_grammar import Criterion, Operator, Policy, Span
from pomerium_tw.model import ANONYMOUS, Head, Peer, Request, Target

from .branches import UNAUTHENTICATED, Call
from .compiler import compile_policy
from .criteria import BUILT_IN
from .criteria.kinds import UNUSED
from .environment import Environment
from .interface import ICriterion
from .prepare import alone, prepare


@dataclass(frozen=True, slots=True)
class Surprise:
    """One place where a policy means more than it seems to."""

    span: Span
    message: str
    hint: str


_NOBODY = Request(
    "", "GET", "https", Target(b"/", "/", None), Head(host="", port=None, fields=(), passed=b""), Peer("", 0)
)


def surprises(
    policies: Sequence[Policy],
    criteria: Mapping[str, ICriterion] = BUILT_IN,
    environment: Environment = Environment(),  # noqa: B008 - immutable
) -> Iterator[Surprise]:
    """Every surprise of the policies, in their order. Criteria of plugins are not run."""
    for policy in policies:
        yield from _of_data(policy, criteria)
        for rule in policy.rules:
            if rule.action == "allow":
                for operator in rule.operators:
                    yield from _of(operator, criteria, environment)


def _of_data(policy: Policy, criteria: Mapping[str, ICriterion]) -> Iterator[Surprise]:
    """``accept: false`` lets everybody in."""
    for each in policy.criteria:
        if each.data is False and criteria[each.name].accepts == UNUSED:
            message = f"{each.key} takes no data: false changes nothing"
            yield Surprise(each.where(), message, "remove the criterion, or write it under not")


def _of(
    operator: Operator, criteria: Mapping[str, ICriterion], environment: Environment
) -> Iterator[Surprise]:
    asking = [each for each in operator.criteria if _asks_who(each, criteria, environment)]
    if not asking:
        return
    if operator.kind in ("not", "nor"):
        whom = "any criterion here" if operator.kind == "not" else "every criterion here"
        message = f"allow {operator.kind} is true without a session: all who sign in are let in, "
        message += f"but for those of whom {whom} is true"
        yield Surprise(operator.span, message, "write whom to let in, and deny the others in a deny rule")
        return
    holding = [each for each in asking if _holds_for_nobody(each, criteria, environment)]
    if operator.kind == "and" and len(holding) < len(asking):
        return
    for each in holding:
        message = f"{each.key} holds without a session: callers are let in without signing in"
        yield Surprise(each.span, message, "ask for authenticated_user beside it, with and")


def _asks_who(criterion: Criterion, criteria: Mapping[str, ICriterion], environment: Environment) -> bool:
    branches = prepare(criterion, criteria, environment).branches
    return any(each.reason == UNAUTHENTICATED for each in branches) and not any(
        isinstance(each.when, Call) for each in branches
    )


def _holds_for_nobody(
    criterion: Criterion, criteria: Mapping[str, ICriterion], environment: Environment
) -> bool:
    return compile_policy([alone(criterion)], criteria, environment).evaluate(_NOBODY, ANONYMOUS).allow
