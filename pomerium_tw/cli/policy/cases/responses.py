"""Cases about what a decision is answered with, and about routes as they are written.

The kinds internal, response, should_redirect, deny_format, validate and to_ppl.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from policy_grammar import Policy, parse_data, to_data
from pomerium_tw.authorize import decide, internal_evaluation
from pomerium_tw.config import RouteSettings, route_findings
from pomerium_tw.model import Reply, Request
from pomerium_tw.pages import ErrorFacts, Way, denial_reply, response_for, status_text, wants_redirect
from pomerium_tw.policy import AccessLists, Evaluation, legacy_policy

from .request import request_of

Case = Mapping[str, Any]
Answer = dict[str, Any]

_REDIRECTED = 302
_PASSED = 200


def internal(case: Case) -> Answer:
    """Whether one of our own addresses is for this caller."""
    given = case["input"]
    found = internal_evaluation(request_of(given).target.path, given.get("session_id", ""))
    reasons = sorted(found.allow_reasons | found.deny_reasons)
    return {"allow": found.allow, "deny": found.deny, "reasons": reasons}


def response(case: Case) -> Answer:
    """What an evaluation is answered with."""
    given = case["input"]
    answer = response_for(decide(_evaluation(given)), request_of(given), mcp_server=_is_mcp_server(given))
    if isinstance(answer, Way):
        return {"http_status": status_of(answer), "headers": {}, "jsonrpc_error": None}
    return {
        "http_status": answer.status,
        "headers": _headers(answer),
        "jsonrpc_error": _jsonrpc_error(_json(answer)),
    }


def should_redirect(case: Case) -> Answer:
    """Whether a caller without a session is sent to sign in, rather than told 401."""
    given = case["input"]
    return {"redirect": wants_redirect(request_of(given), mcp_server=_is_mcp_server(given))}


def deny_format(case: Case) -> Answer:
    """The form of a denial."""
    given = case["input"]
    status, reason = given["code"], given["reason"]
    reply = denial_reply(ErrorFacts(status, status_text(status), reason, reason=reason), request_of(given))
    headers = _headers(reply)
    return {
        "http_status": reply.status,
        "content_type": headers.get("content-type", ""),
        "headers": headers,
        "json": _json(reply),
        "body": reply.body.decode(),
    }


def validate(case: Case) -> Answer:
    """Whether the configuration refuses a route."""
    written = {"from": "https://from.example.com", **case["config"]}
    if not written.keys() & {"redirect", "response"}:
        written.setdefault("to", "https://to.example.com")
    try:
        route = RouteSettings.model_validate(written, context=Path())
    except ValueError:
        return {"config_error": True}
    return {"config_error": any(not finding.warning for finding in route_findings(route))}


def to_ppl(case: Case) -> Answer:
    """The policy that the older fields of a route mean."""
    return {"ppl": to_data(route_policy(case["config"]))}


def route_policy(config: Mapping[str, Any]) -> Policy:
    """The whole policy of a route as it is written. Raises PolicySyntaxError."""
    own = config.get("policy")
    parts = [config, *config.get("sub_policies", ())]
    return legacy_policy(
        [
            AccessLists(
                each.get("allowed_domains", ()),
                each.get("allowed_idp_claims", {}),
                each.get("allowed_users", ()),
            )
            for each in parts
        ],
        public=config.get("allow_public_unauthenticated_access", False),
        cors=config.get("cors_allow_preflight", False),
        any_user=config.get("allow_any_authenticated_user", False),
        policies=[] if own is None else [parse_data(own)],
        default_client_certificate_rule=config.get("add_default_client_certificate_rule", False),
    )


ANSWERS: Mapping[str, Callable[[Case], Answer]] = MappingProxyType(
    {
        "internal": internal,
        "response": response,
        "should_redirect": should_redirect,
        "deny_format": deny_format,
        "validate": validate,
        "to_ppl": to_ppl,
    }
)
"""Kind → what answers it, with the keys that the kind's ``expect`` may hold."""


def answer(case: Case) -> Answer:
    """The answer to a case of any of these kinds; KeyError for others."""
    return ANSWERS[case["kind"]](case)


def status_of(answer: Way | Reply) -> int:
    """The HTTP status that the caller sees; 200 for what goes on to the upstream."""
    if isinstance(answer, Reply):
        return answer.status
    return _PASSED if answer is Way.PASS else _REDIRECTED


def http_status(evaluation: Evaluation, request: Request) -> int:
    """The status that an evaluation comes to on a route that serves no agents."""
    return status_of(response_for(decide(evaluation), request._replace(mcp=None)))


def _evaluation(given: Mapping[str, Any]) -> Evaluation:
    allow, deny = given["allow"], given["deny"]
    return Evaluation(allow["value"], frozenset(allow["reasons"]), deny["value"], frozenset(deny["reasons"]))


def _is_mcp_server(given: Mapping[str, Any]) -> bool:
    """The route serves agents, and the runtime flag is on, as it is by default."""
    on = given.get("runtime_flags", {}).get("mcp", True)
    return bool(on) and "server" in given.get("route", {}).get("mcp", {})


def _headers(reply: Reply) -> dict[str, str]:
    return {name.decode().lower(): value.decode("latin-1") for name, value in reply.headers}


def _json(reply: Reply) -> Any:
    if _headers(reply).get("content-type") != "application/json":
        return None
    return json.loads(reply.body)


def _jsonrpc_error(document: Any) -> dict[str, Any] | None:
    """The error in one level, less its text, which is ours."""
    if not isinstance(document, dict) or "jsonrpc" not in document:
        return None
    error = document["error"]
    return {
        "jsonrpc": document["jsonrpc"],
        "id": document["id"],
        "code": error["code"],
        "data": error["data"],
    }
