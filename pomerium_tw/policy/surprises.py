"""Policies that mean more than they seem to: most let callers in without a session (spec/ppl §4.4).

Pomerium's meaning stays as it is; these are warnings, and errors where the policy has to be strict.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from policy_grammar import NOWHERE, Criterion, Operator, Policy, Rule, Span
from pomerium_tw.model import ANONYMOUS, Head, Peer, Request, Target

from .branches import SIGNED_IN, UNAUTHENTICATED, Call
from .criteria import BUILT_IN
from .criteria.kinds import UNUSED
from .environment import Environment
from .generate import Generator
from .interface import ICriterion
from .prepare import Prepared, prepare


@dataclass(frozen=True, slots=True)
class Surprise:
    """One place where a policy means more than it seems to."""

    span: Span
    message: str
    hint: str


@dataclass(frozen=True, slots=True)
class _Nobody:
    """What a criterion may answer to a caller without a session, whatever the request is."""

    criterion: Criterion
    who: bool
    """It looks at who asks."""
    true: bool
    """It may hold."""
    false: bool
    """It may fail without asking to sign in."""
    asks: bool
    """It may fail and ask to sign in."""


_HEAD = Head(host="", port=None, fields=(), passed=b"")
_REQUEST = Request("", "GET", "https", Target(b"/", "/", None), _HEAD, Peer("", 0))
_WHO = frozenset({"identity"})


def surprises(
    policies: Sequence[Policy],
    criteria: Mapping[str, ICriterion] = BUILT_IN,
    environment: Environment = Environment(),  # noqa: B008 - immutable
) -> Iterator[Surprise]:
    """Every surprise of the policies, in their order. Criteria of plugins are not run."""
    for policy in policies:
        yield from _of_data(policy, criteria)
        rules = [rule for rule in policy.rules if rule.action == "allow"]
        answers = _answers(rules, criteria, environment)
        for rule in rules:
            for operator in rule.operators:
                yield from _of(operator, [answers[id(each)] for each in operator.criteria])


def asks_for_session(
    rules: Sequence[Rule],
    criteria: Mapping[str, ICriterion] = BUILT_IN,
    environment: Environment = Environment(),  # noqa: B008 - immutable
) -> bool:
    """Whether it is sure that none of these allow rules holds without a session."""
    answers = _answers(rules, criteria, environment)

    def never(operator: Operator) -> bool:
        uses = [answers[id(each)] for each in operator.criteria]
        match operator.kind:
            case "or":
                return not any(each.true for each in uses)
            case "and":
                return not all(each.true for each in uses)
            case _:
                return False  # what is turned round may hold for callers of whom nothing is known

    return all(never(operator) for rule in rules for operator in rule.operators)


def _of_data(policy: Policy, criteria: Mapping[str, ICriterion]) -> Iterator[Surprise]:
    """``accept: false`` lets everybody in."""
    for each in policy.criteria:
        if each.data is False and criteria[each.name].accepts == UNUSED:
            message = f"{each.key} takes no data: false changes nothing"
            yield Surprise(each.where(), message, "remove the criterion, or write it under not")


def _of(operator: Operator, uses: Sequence[_Nobody]) -> Iterator[Surprise]:
    if not any(each.who for each in uses):
        return
    match operator.kind:
        case "or":
            yield from _let_in(uses)
        case "and" if all(each.true for each in uses):
            yield from _let_in(uses)
        case "not" if all(each.false or each.asks for each in uses):
            yield _inverted(operator, "any criterion here")
        case "nor" if all(each.true for each in uses if each.who) and any(each.false for each in uses):
            message = "allow nor may be true without a session: callers are let in without signing in"
            yield Surprise(operator.span, message, _AUTHENTICATED)
        case "nor" if any(each.false or each.asks for each in uses):
            yield _inverted(operator, "every criterion here")


_AUTHENTICATED = "ask for authenticated_user beside it, with and"


def _let_in(uses: Sequence[_Nobody]) -> Iterator[Surprise]:
    for each in uses:
        if each.who and each.true:
            message = f"{each.criterion.key} holds without a session: callers are let in without signing in"
            yield Surprise(each.criterion.span, message, _AUTHENTICATED)


def _inverted(operator: Operator, whom: str) -> Surprise:
    message = f"allow {operator.kind} is true without a session: all who sign in are let in, "
    message += f"but for those of whom {whom} is true"
    return Surprise(operator.span, message, "write whom to let in, and deny the others in a deny rule")


def _answers(
    rules: Sequence[Rule], criteria: Mapping[str, ICriterion], environment: Environment
) -> dict[int, _Nobody]:
    """By the id of a use of a criterion. Those that read nothing but the caller are asked, all at once."""
    uses = [each for rule in rules for operator in rule.operators for each in operator.criteria]
    prepared = [(each, prepare(each, criteria, environment)) for each in uses]
    asked = [(each, found) for each, found in prepared if _told_by_nobody(found)]
    values = Generator(rules[0].span if rules else NOWHERE).values(
        [found.branches for _each, found in asked], environment
    )
    known = {id(each): value for (each, _), value in zip(asked, values(_REQUEST, ANONYMOUS), strict=True)}
    return {id(each): _nobody(each, found, known.get(id(each))) for each, found in prepared}


def _told_by_nobody(found: Prepared) -> bool:
    """Whether what it answers to a caller without a session is the same for every request."""
    records = {"identity", "records"} <= found.reads
    return not _calls(found) and (found.reads <= _WHO or records)


def _calls(found: Prepared) -> bool:
    return any(isinstance(branch.when, Call) for branch in found.branches)


def _nobody(criterion: Criterion, found: Prepared, value: bool | None) -> _Nobody:
    who = "identity" in found.reads and any(each.reason == UNAUTHENTICATED for each in found.branches)
    if value is not None:
        return _Nobody(criterion, who, value, not value and not who, not value and who)
    # What comes after the question for a session is of those who have one.
    said = [each for each in found.branches if each.when != SIGNED_IN]
    false = [each for each in said if not each.value]
    asks = who and any(each.reason == UNAUTHENTICATED for each in false)
    true = any(each.value for each in said) and not (who and _calls(found))
    fails = not who and any(each.reason != UNAUTHENTICATED for each in false)
    return _Nobody(criterion, who, true, fails, asks)
