"""What spec/ppl §2, §3 and §4 say, as plainly as possible: compiled policies must agree with this."""

from __future__ import annotations

from typing import Any

from policy_grammar import Criterion, Operator, Policy
from pomerium_tw.model import Identity, Request

Result = tuple[bool, frozenset[str]]


def evaluate(policies: list[Policy], request: Request, identity: Identity) -> dict[str, Result]:
    """(value, reasons) of allow and of deny."""
    answers = {}
    for action in ("allow", "deny"):
        rules = [rule for policy in policies for rule in policy.rules if rule.action == action]
        answers[action] = any_of(
            [operate(each, request, identity) for rule in rules for each in rule.operators]
        )
    return answers


def union(results: list[Result], wanted: bool | None = None) -> frozenset[str]:
    return frozenset().union(*(reasons for value, reasons in results if wanted is None or value is wanted))


def any_of(results: list[Result]) -> Result:
    value = any(value for value, _ in results)
    return value, union(results, True) if value else union(results)


def operate(operator: Operator, request: Request, identity: Identity) -> Result:
    results = [judge(each, request, identity) for each in operator.criteria]
    values = [value for value, _ in results]
    match operator.kind:
        case "and":
            return all(values), union(results) if all(values) else union(results, False)
        case "or":
            return any(values), union(results, True) if any(values) else union(results)
        case "not":
            return not any(values), union(results, True) if any(values) else union(results)
        case _:
            return not all(values), union(results) if all(values) else union(results, False)


def judge(criterion: Criterion, request: Request, identity: Identity) -> Result:
    user = identity.user_id or None
    pieces = identity.email.split("@")
    domain = pieces[1] if len(pieces) > 1 else None
    claim = identity.claims.get(criterion.sub_path, ())
    data = criterion.data
    asks = [request.head.get(name) for name in (b"origin", b"access-control-request-method")]
    match criterion.name:
        case "accept" | "reject":
            return criterion.name == "accept", frozenset({criterion.name})
        case "cors_preflight":
            cors = request.method == "OPTIONS" and all(asks)
            return cors, frozenset({"cors-request" if cors else "non-cors-request"})
        case "http_method":
            return plain(text(data, request.method), "http-method")
        case "http_path":
            return plain(text(data, request.target.path), "http-path")
        case "authenticated_user":
            return signed_in(user is not None, "user", identity)
        case "user":
            return signed_in(text(data, user), "user", identity)
        case "email":
            return signed_in(text(data, identity.email), "email", identity)
        case "domain":
            return signed_in(text(data, domain), "domain", identity)
        case _:
            return signed_in(listed(data, claim), "claim", identity)


def plain(value: bool, stem: str) -> Result:
    return value, frozenset({f"{stem}-ok" if value else f"{stem}-unauthorized"})


def signed_in(value: bool, stem: str, identity: Identity) -> Result:
    if value or identity.session:
        return plain(value, stem)
    return False, frozenset({"user-unauthenticated"})


def text(data: Any, left: str | None) -> bool:
    if left is None:
        return False
    operators = {
        "is": lambda right: left == right,
        "not": lambda right: left != right,
        "contains": lambda right: right in left,
        "starts_with": lambda right: left.startswith(right),
        "ends_with": lambda right: left.endswith(right),
        "in": lambda right: left in right,
        "not_in": lambda right: left not in right,
    }
    return all(
        operators[name](right) for name, right in (data if isinstance(data, dict) else {"is": data}).items()
    )


def listed(data: Any, left: tuple[Any, ...]) -> bool:
    def has(right: Any) -> bool:
        return any(isinstance(each, bool) == isinstance(right, bool) and each == right for each in left)

    operators = {
        "has": has,
        "is": lambda right: len(left) == 1 and has(right),
        "exclude": lambda right: not has(right),
    }
    return all(
        operators[name](right) for name, right in (data if isinstance(data, dict) else {"has": data}).items()
    )
