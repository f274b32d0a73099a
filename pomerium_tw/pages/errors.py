"""The forms of an error answer: who asks decides whether it is a page, JSON, plain text or a gRPC status."""

from __future__ import annotations

import string
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

from ..model import Reply, Request
from . import texts
from .accept import HTML, JSON, PLAIN, best, is_grpc, is_grpc_web, prefers_json
from .facts import ErrorFacts
from .render import Headers, body_reply, html_reply, json_reply

ROBOTS = b"User-agent: *\nDisallow: /"
"""What crawlers are told wherever they may not look (spec/ppl §6)."""

_KUBERNETES_REASONS: Mapping[int, str] = MappingProxyType(
    {401: "Unauthorized", 403: "Forbidden", 404: "NotFound"}
)

_GRPC_BY_STATUS: Mapping[int, int] = MappingProxyType(
    {400: 13, 401: 16, 403: 7, 404: 12, 429: 14, 502: 14, 503: 14, 504: 14}
)
_GRPC_UNKNOWN = 2

_GRPC_BY_FLAG: Mapping[str, int] = MappingProxyType(
    {
        "NR": 5,
        **dict.fromkeys(("UF", "UH", "UO", "DF", "NC", "LH"), 14),
        **dict.fromkeys(("UT", "DT", "SI", "UMSDR"), 4),
        "IH": 3,
        "RL": 8,
        **dict.fromkeys(("LR", "OM", "UC", "UR"), 1),
        **dict.fromkeys(("UPE", "RLSE"), 13),
        **dict.fromkeys(("DPE", "RFCF"), 2),
    }
)
"""gRPC status codes of replies that the data path makes itself (spec/proxy §3.10)."""

_GRPC_MESSAGE_PLAIN = string.ascii_letters + string.digits + string.punctuation.replace("%", "") + " "
"""Characters that travel unencoded in ``grpc-message`` (gRPC over HTTP/2, "Percent-Byte-Unencoded")."""


def denial_reply(facts: ErrorFacts, request: Request, headers: Headers | None = None) -> Reply:
    """A denial by policy (spec/ppl §6).

    The first form that fits: Kubernetes Status, robots.txt, JSON, gRPC, gRPC-Web, page. ``headers`` stand in
    the place of the challenge that a 401 carries.
    """
    challenge = _challenge(facts.status) if headers is None else headers
    return _denial(facts, request, {"error": facts.reason_text, "request_id": request.id}, challenge)


def unauthenticated_reply(request: Request, login_url: str = "") -> Reply:
    """401 for callers whom a redirect would not help; JSON and page name the sign-in URL if given (RD-17)."""
    facts = texts.unauthenticated(login_url)
    body = {"error": facts.reason_text, "request_id": request.id}
    return _denial(
        facts, request, body | {"login_url": login_url} if login_url else body, _challenge(facts.status)
    )


def local_reply(facts: ErrorFacts, request: Request) -> Reply:
    """An error of the data path, such as an unreachable upstream (spec/proxy §3.10, "local" replies)."""
    values = {"requestId": request.id, "status": str(facts.status), "statusText": facts.reason_text}
    if is_grpc(request) or is_grpc_web(request):
        return _grpc_local_reply(facts, request, values)
    form = best(request.head.get(b"accept"), (HTML, PLAIN, JSON))
    if form == HTML:
        return _page(facts, request)
    reply = json_reply(values, facts.status, indent=2)
    return reply if form == JSON else body_reply(facts.status, "text/plain; charset=utf-8", reply.body)


def handler_reply(facts: ErrorFacts, request: Request) -> Reply:
    """An error of our own resources; JSON for exactly ``Accept: application/json`` (spec/identity §5.6)."""
    if request.head.get(b"accept") != b"application/json":
        return _page(facts, request)
    values: dict[str, Any] = {
        "Status": facts.status,
        "description": f"{facts.message} {facts.advice}".strip(),
        "RequestID": request.id,
    }
    if facts.details:
        values["PolicyEvaluationTraces"] = [
            {"id": item.id, "explanation": item.explanation, "remediation": item.remediation}
            for item in facts.details
        ]
    return json_reply(values, facts.status, headers=_challenge(facts.status))


def internal_error(request: Request) -> Reply:
    """500 for an unexpected exception; nothing of it is told."""
    return handler_reply(texts.internal(), request)


def _denial(facts: ErrorFacts, request: Request, values: Mapping[str, str], challenge: Headers) -> Reply:
    if "kubernetes/" in request.head.text(b"user-agent"):
        return json_reply(_kubernetes_status(facts), facts.status, headers=challenge)
    if request.target.path == "/robots.txt":
        return body_reply(200, "text/plain", ROBOTS)
    if prefers_json(request):
        return json_reply(values, facts.status, headers=challenge)
    if is_grpc(request) or is_grpc_web(request):
        content_type = "application/grpc+json" if is_grpc(request) else "application/grpc-web+json"
        code = _GRPC_BY_STATUS.get(facts.status, _GRPC_UNKNOWN)
        headers = (*_grpc_headers(code, facts.reason_text), *challenge)
        return body_reply(facts.status, content_type, b"", headers)
    return _page(facts, request, challenge)


def _grpc_local_reply(facts: ErrorFacts, request: Request, values: Mapping[str, str]) -> Reply:
    """Trailers-only: HTTP 200, the code by flag, and the JSON as the message."""
    code = _GRPC_BY_FLAG.get(facts.flag, _GRPC_BY_STATUS.get(facts.status, _GRPC_UNKNOWN))
    message = json_reply(values).body.decode("ascii")
    content_type = "application/grpc" if is_grpc(request) else "application/grpc-web"
    return body_reply(200, content_type, b"", _grpc_headers(code, message))


def _grpc_headers(code: int, message: str) -> Headers:
    encoded = quote(message.encode("utf-8", "replace"), safe=_GRPC_MESSAGE_PLAIN)
    return ((b"grpc-status", b"%d" % code), (b"grpc-message", encoded.encode("ascii")))


def _kubernetes_status(facts: ErrorFacts) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Status",
        "status": "Failure",
        "message": facts.reason_text,
        "reason": _KUBERNETES_REASONS.get(facts.status, ""),
        "code": facts.status,
    }


def _page(facts: ErrorFacts, request: Request, headers: Headers | None = None) -> Reply:
    return html_reply(
        "error.html",
        facts.status,
        headers=_challenge(facts.status) if headers is None else headers,
        facts=facts,
        host=request.authority,
        request_id=request.id,
    )


def _challenge(status: int) -> Headers:
    """A 401 has to say how to authenticate (RFC 9110 §15.5.2); browsers show no dialogue for this scheme."""
    return ((b"WWW-Authenticate", b"Bearer"),) if status == 401 else ()
