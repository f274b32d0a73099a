"""Pomerium's older route fields as a policy (spec/ppl §5)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from policy_grammar import NOWHERE, Criterion, Operator, Policy, Rule, Span
from pomerium_tw.model import NO_CLAIMS, flatten_claims


def _nowhere(*_path: str | int) -> Span:
    return NOWHERE


class AccessLists(NamedTuple):
    """The older lists of a route, or of one of its ``sub_policies``."""

    domains: Iterable[str] = ()
    claims: Mapping[str, Any] = NO_CLAIMS
    """Claim name → value or list of values; maps may nest."""
    users: Iterable[str] = ()
    span_of: Callable[..., Span] = _nowhere
    """Where a key stands, given its name and what leads into its value."""


def legacy_policy(
    lists: Sequence[AccessLists] = (),
    *,
    public: bool = False,
    cors: bool = False,
    any_user: bool = False,
    policies: Sequence[Policy] = (),
    default_client_certificate_rule: bool = False,
    span: Span = NOWHERE,
) -> Policy:
    """One allow rule of the older fields, then the rules of the route's own ``policies``.

    ``lists`` are those of the route, then those of its sub-policies. An allow rule without criteria is left
    out only where the route has policies of its own. ``default_client_certificate_rule`` adds the last rule:
    whoever shows no valid certificate is denied (spec/ppl §4.5). ``span`` is the place of the route.
    """
    span_of = lists[0].span_of if lists else _nowhere
    flags = (
        ("accept", public, "allow_public_unauthenticated_access"),
        ("cors_preflight", cors, "cors_allow_preflight"),
        ("authenticated_user", any_user, "allow_any_authenticated_user"),
    )
    criteria = [Criterion(name, "", True, span_of(key)) for name, wanted, key in flags if wanted]
    for each in lists:
        criteria += _domains(each)
    for each in lists:
        criteria += _claims(each)
    for each in lists:
        criteria += _users(each)
    rules = [] if policies and not criteria else [_rule("allow", criteria, span)]
    for policy in policies:
        rules += policy.rules
    if default_client_certificate_rule:
        rules.append(_rule("deny", [Criterion("invalid_client_certificate", "", True, span)], span))
    return Policy("", tuple(rules), span)


def _domains(lists: AccessLists) -> list[Criterion]:
    return [
        Criterion("domain", "", {"is": domain}, lists.span_of("allowed_domains", index))
        for index, domain in enumerate(lists.domains)
    ]


def _claims(lists: AccessLists) -> list[Criterion]:
    return [
        Criterion("claim", name, value, lists.span_of("allowed_idp_claims", name.partition(".")[0]))
        for name, values in sorted(flatten_claims(lists.claims).items())
        for value in values
    ]


def _users(lists: AccessLists) -> list[Criterion]:
    return [
        Criterion(name, "", {"is": user}, lists.span_of("allowed_users", index))
        for index, user in enumerate(lists.users)
        for name in ("user", "email")
    ]


def _rule(action: str, criteria: Sequence[Criterion], span: Span) -> Rule:
    return Rule(action, (Operator("or", tuple(criteria), span),) if criteria else (), span)
