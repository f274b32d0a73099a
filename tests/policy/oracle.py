"""What spec/ppl §2, §3 and §4 say, as plainly as possible: compiled policies must agree with this."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from typing import Any

from policy_grammar import Criterion, Operator, Policy
from pomerium_tw.model import ClientCertificate, Identity, Request

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
        case "pomerium_routes":
            own = (request.target.path + "/").startswith("/.pomerium/")
            return own, frozenset({"pomerium-route" if own else "non-pomerium-route"})
        case "source_ip":
            networks = [ip_network(each, False) for each in (data if isinstance(data, list) else [data])]
            return plain(any(ip_address(request.peer.address) in each for each in networks), "source-ip")
        case "ssh_username":
            return plain(text(data, request.ssh.username if request.ssh else ""), "ssh-username")
        case "mcp_tool":
            return tool(data, request.mcp)
        case "device":
            return device(data, identity)
        case "time_of_day":
            return plain(between(data.get("after"), data.get("before"), "22:30"), "time-of-day")
        case "invalid_client_certificate":
            return certificate(request.certificate)
    return signed_in(caller(criterion, identity), criterion.name.replace("authenticated_", ""), identity)


def between(after: str | None, before: str | None, now: str) -> bool:
    late, early = after is None or now > after, before is None or now < before
    return late or early if after and before and after > before else late and early


def caller(criterion: Criterion, identity: Identity) -> bool:
    user = identity.user_id or None
    pieces = identity.email.split("@")
    data = criterion.data
    match criterion.name:
        case "authenticated_user":
            return user is not None
        case "user":
            return text(data, user)
        case "email":
            return text(data, identity.email)
        case "domain":
            return text(data, pieces[1] if len(pieces) > 1 else None)
        case "claim":
            return listed(data, identity.claims.get(criterion.sub_path, ()))
    assert criterion.name == "groups"
    return identity.directory is not None and listed(data, identity.directory.group_ids)


def certificate(presented: ClientCertificate | None) -> Result:
    if presented is None:
        return True, frozenset({"client-certificate-required"})
    good = presented.leaf == b"good"
    return not good, frozenset({"valid-client-certificate" if good else "invalid-client-certificate"})


def plain(value: bool, stem: str) -> Result:
    return value, frozenset({f"{stem}-ok" if value else f"{stem}-unauthorized"})


def signed_in(value: bool, stem: str, identity: Identity) -> Result:
    if value or identity.session:
        return plain(value, stem)
    return False, frozenset({"user-unauthenticated"})


def tool(data: Any, call: Any) -> Result:
    if call is None or call.method != "tools/call":
        return False, frozenset({"mcp-not-a-tool-call"})
    only = set(data) if isinstance(data, dict) else {"is"}
    value = text(data, call.tool) if call.tool is not None else only == {"not_in"}
    return value, frozenset({"mcp-tool-match" if value else "mcp-tool-no-match"})


def device(data: dict[str, Any], identity: Identity) -> Result:
    found = identity.devices.get(data.get("type", "any"))
    holds = all(
        {
            "type": lambda _value: found is not None,
            "is": lambda value: found is not None and found.id == value,
            "approved": lambda value: (found is not None and found.approved) is value,
        }[name](value)
        for name, value in data.items()
    )
    if holds:
        return True, frozenset({"device-ok"})
    if not identity.session:
        return False, frozenset({"user-unauthenticated"})
    known = found is not None and found.enrolled
    return False, frozenset({"device-unauthorized" if known else "device-unauthenticated"})


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
