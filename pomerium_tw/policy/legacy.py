"""Pomerium's older route fields as a policy (spec/ppl §5)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from policy_grammar import NOWHERE, Criterion, Operator, Policy, Rule, Span
from pomerium_tw.model import flatten_claims


def legacy_policy(
    *,
    public: bool = False,
    cors: bool = False,
    any_user: bool = False,
    domains: Iterable[str] = (),
    claims: Sequence[Mapping[str, Any]] = (),
    users: Iterable[str] = (),
    policies: Sequence[Policy] = (),
    span: Span = NOWHERE,
) -> Policy:
    """One allow rule of the older fields, then the rules of the route's own ``policies``.

    Values of the route come before those of its sub-policies in each of the lists; ``claims`` holds one map
    (claim name → value or list of values, maps may nest) for the route and one for each sub-policy. An allow
    rule without criteria is left out only where the route has policies of its own.
    """

    def criterion(name: str, data: Any, sub_path: str = "") -> Criterion:
        return Criterion(name, sub_path, data, span)

    flags = (("accept", public), ("cors_preflight", cors), ("authenticated_user", any_user))
    criteria = [criterion(name, True) for name, wanted in flags if wanted]
    criteria += [criterion("domain", {"is": domain}) for domain in domains]
    for claim_map in claims:
        for name, values in sorted(flatten_claims(claim_map).items()):
            criteria += [criterion("claim", value, name) for value in values]
    for user in users:
        criteria += [criterion("user", {"is": user}), criterion("email", {"is": user})]
    operators = (Operator("or", tuple(criteria), span),) if criteria else ()
    older = () if policies and not operators else (Rule("allow", operators, span),)
    return Policy("", older + tuple(rule for policy in policies for rule in policy.rules), span)
