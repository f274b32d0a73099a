"""Each form of an error answer, for whom it is."""

from __future__ import annotations

import json

import pytest

from pomerium_tw.pages import (
    CONTENT_SECURITY_POLICY,
    Detail,
    ErrorFacts,
    denial_reply,
    handler_reply,
    local_reply,
    texts,
    unauthenticated_reply,
)
from pomerium_tw.pages.errors import internal_error

from .memory import BROWSER, REQUEST_ID, headers_of, incoming, json_of

KUBECTL = "kubectl/v1.31.0 (linux/amd64) kubernetes/9edcffc"
LOGIN = "https://authenticate.example.com/.pomerium/sign_in?a=1&pomerium_signature=x"
FACTS = ErrorFacts(400, "Title", "Message.", "Advice.", "ERROR")


def test_a_browser_gets_a_page_that_says_what_happened_and_what_to_do() -> None:
    reply = denial_reply(FACTS, incoming(accept=BROWSER))
    headers = headers_of(reply)
    assert reply.status == 400
    assert headers["content-type"] == "text/html; charset=UTF-8"
    assert headers["content-security-policy"].encode() == CONTENT_SECURITY_POLICY
    assert headers["x-pomerium-intercepted-response"] == "true"
    page = reply.body.decode()
    assert page.startswith("<!DOCTYPE html>")
    for part in ("Title", "Message.", "Advice.", "400", "Bad Request", REQUEST_ID, "app.example.com"):
        assert part in page


@pytest.mark.parametrize(
    ("status", "reason"), [(401, "Unauthorized"), (400, ""), (500, ""), (403, "Forbidden")]
)
def test_kubernetes_clients_get_a_status_object(status: int, reason: str) -> None:
    reply = denial_reply(
        ErrorFacts(status, "T", "M", reason="Why"), incoming(user_agent=KUBECTL, accept="text/html")
    )
    assert reply.status == status
    assert json_of(reply) == {
        "apiVersion": "v1",
        "kind": "Status",
        "status": "Failure",
        "message": "Why",
        "reason": reason,
        "code": status,
    }


def test_a_denied_robots_file_keeps_crawlers_out() -> None:
    for reply in (
        denial_reply(FACTS, incoming("/robots.txt")),
        unauthenticated_reply(incoming("/robots.txt"), LOGIN),
    ):
        assert reply.status == 200
        assert headers_of(reply)["content-type"] == "text/plain"
        assert reply.body == b"User-agent: *\nDisallow: /"


def test_a_denial_in_json_names_reason_and_request() -> None:
    reply = denial_reply(FACTS, incoming(accept="application/json"))
    assert reply.status == 400
    assert json_of(reply) == {"error": "ERROR", "request_id": REQUEST_ID}


def test_json_comes_before_grpc() -> None:
    reply = denial_reply(FACTS, incoming(accept="application/json", content_type="application/grpc"))
    assert json_of(reply)["error"] == "ERROR"


@pytest.mark.parametrize(
    ("sent", "answered"),
    [
        ("application/grpc", "application/grpc+json"),
        ("application/grpc+json", "application/grpc+json"),
        ("application/grpc-web-text", "application/grpc-web+json"),
        ("application/grpc-web+proto", "application/grpc-web+json"),
    ],
)
def test_a_denied_grpc_call_gets_a_status_without_body(sent: str, answered: str) -> None:
    reply = denial_reply(FACTS, incoming(content_type=sent))
    headers = headers_of(reply)
    assert (reply.status, reply.body) == (400, b"")
    assert (headers["content-type"], headers["grpc-status"], headers["grpc-message"]) == (
        answered,
        "13",
        "ERROR",
    )


@pytest.mark.parametrize(
    ("status", "code"),
    [(400, 13), (401, 16), (403, 7), (404, 12), (429, 14), (502, 14), (503, 14), (504, 14), (495, 2)],
)
def test_grpc_codes_of_denials(status: int, code: int) -> None:
    reply = denial_reply(ErrorFacts(status, "T", "M"), incoming(content_type="application/grpc"))
    assert headers_of(reply)["grpc-status"] == str(code)


def test_a_grpc_message_cannot_end_its_header_line() -> None:
    facts = ErrorFacts(403, "T", "M", reason="a\r\nSet-Cookie: x=1 100% é \u2028 \x1b \udc00")
    message = headers_of(denial_reply(facts, incoming(content_type="application/grpc")))["grpc-message"]
    assert message == "a%0D%0ASet-Cookie: x=1 100%25 %C3%A9 %E2%80%A8 %1B ?"


@pytest.mark.parametrize("headers", [{"accept": "application/json"}, {"x_requested_with": "XMLHttpRequest"}])
def test_a_script_without_session_learns_the_sign_in_url(headers: dict[str, str]) -> None:
    reply = unauthenticated_reply(incoming(**headers), LOGIN)
    assert reply.status == 401
    assert json_of(reply) == {"error": "Unauthenticated", "request_id": REQUEST_ID, "login_url": LOGIN}
    assert headers_of(reply)["www-authenticate"] == "Bearer"
    assert "location" not in headers_of(reply)


def test_without_a_sign_in_url_none_is_named() -> None:
    reply = unauthenticated_reply(incoming(sec_fetch_mode="cors", accept="*/*"))
    assert json_of(reply) == {"error": "Unauthenticated", "request_id": REQUEST_ID}


def test_an_unauthenticated_page_links_to_sign_in() -> None:
    reply = unauthenticated_reply(incoming(authorization="Pomerium x"), LOGIN)
    assert reply.status == 401
    assert headers_of(reply)["www-authenticate"] == "Bearer"
    assert f'href="{LOGIN.replace("&", "&amp;")}"' in reply.body.decode()


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        (None, "text/html; charset=UTF-8"),
        ("*/*", "text/html; charset=UTF-8"),
        ("text/*", "text/html; charset=UTF-8"),
        ("text/plain,text/html", "text/plain; charset=utf-8"),
        ("text/html;q=0.1,application/json;q=0.2", "application/json"),
        ("application/*", "application/json"),
        ("text/html;q=0, */*", "text/plain; charset=utf-8"),
        ("image/png", "text/html; charset=UTF-8"),
    ],
)
def test_local_replies_are_negotiated(accept: str | None, content_type: str) -> None:
    reply = local_reply(texts.upstream_unreachable(), incoming(**({"accept": accept} if accept else {})))
    assert reply.status == 503
    assert headers_of(reply)["content-type"] == content_type


@pytest.mark.parametrize("accept", ["application/json", "text/plain"])
def test_local_json_and_plain_text_hold_the_same_three_fields(accept: str) -> None:
    reply = local_reply(texts.route_not_found(), incoming(accept=accept))
    expected = {"requestId": REQUEST_ID, "status": "404", "statusText": "route_not_found"}
    assert reply.body == json.dumps(expected, indent=2).encode()


@pytest.mark.parametrize(
    ("flag", "status", "code"),
    [
        ("NR", 404, 5),
        ("UF", 503, 14),
        ("UH", 503, 14),
        ("UO", 503, 14),
        ("UT", 504, 4),
        ("IH", 400, 3),
        ("RL", 429, 8),
        ("UC", 503, 1),
        ("UPE", 502, 13),
        ("DPE", 400, 2),
        ("", 503, 14),
        ("??", 418, 2),
    ],
)
def test_grpc_codes_of_local_replies_go_by_flag(flag: str, status: int, code: int) -> None:
    reply = local_reply(ErrorFacts(status, "T", "M", flag=flag), incoming(content_type="application/grpc"))
    assert reply.status == 200
    assert headers_of(reply)["content-type"] == "application/grpc"
    assert headers_of(reply)["grpc-status"] == str(code)


def test_a_grpc_client_of_an_unknown_host_reads_json_in_the_message() -> None:
    headers = headers_of(
        local_reply(texts.route_not_found(), incoming(content_type="application/grpc-web+proto"))
    )
    assert headers["content-type"] == "application/grpc-web"
    message = json.loads(headers["grpc-message"])
    assert (message["status"], message["statusText"]) == ("404", "route_not_found")


def test_own_resources_answer_json_for_exactly_that_accept() -> None:
    facts = ErrorFacts(404, "T", "Message.", "Advice.", details=(Detail("p1", "why", "what"),))
    reply = handler_reply(facts, incoming(accept="application/json"))
    assert reply.status == 404
    assert json_of(reply) == {
        "Status": 404,
        "description": "Message. Advice.",
        "RequestID": REQUEST_ID,
        "PolicyEvaluationTraces": [{"id": "p1", "explanation": "why", "remediation": "what"}],
    }
    for accept in ("application/json, */*", "application/json;q=1", "*/*"):
        assert headers_of(handler_reply(facts, incoming(accept=accept)))["content-type"].startswith(
            "text/html"
        )


def test_an_internal_error_tells_nothing_but_the_request_id() -> None:
    reply = internal_error(incoming())
    assert reply.status == 500
    assert REQUEST_ID.encode() in reply.body


def test_no_error_may_be_stored_or_sniffed() -> None:
    for accept in (BROWSER, "application/json", "text/plain"):
        headers = headers_of(local_reply(FACTS, incoming(accept=accept)))
        assert headers["cache-control"] == "no-cache, no-store, must-revalidate"
        assert headers["x-content-type-options"] == "nosniff"
