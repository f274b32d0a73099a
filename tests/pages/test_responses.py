"""What each decision is answered with, and to whom."""

from __future__ import annotations

import pytest

from pomerium_tw.authorize import decide
from pomerium_tw.model import Decision, MCPCall, Outcome, Reply
from pomerium_tw.pages import Detail, Way, response_for
from pomerium_tw.policy import Evaluation

from .memory import BROWSER, headers_of, incoming, json_of, signed_in

LOGIN_URL = "https://app.example.com/.pomerium/sign_in?pomerium_signature=x"


def decision(why: str, *, allow: bool = False) -> Decision:
    return decide(Evaluation(allow, frozenset({why}), False, frozenset()))


ALLOWED = decision("accept", allow=True)
SIGN_IN = decision("user-unauthenticated")
NO_DEVICE = decision("device-unauthenticated")
FORBIDDEN = decision("email-unauthorized")
MEMBERS = [ALLOWED, SIGN_IN, NO_DEVICE, FORBIDDEN]


def replied(answer: Way | Reply) -> Reply:
    assert isinstance(answer, Reply)
    return answer


@pytest.mark.parametrize("mcp_server", [False, True])
def test_what_is_allowed_passes(mcp_server: bool) -> None:
    assert response_for(ALLOWED, incoming(), mcp_server=mcp_server) is Way.PASS


def test_browsers_go_to_sign_in_and_programs_learn_where_to() -> None:
    assert response_for(SIGN_IN, incoming(accept=BROWSER)) is Way.SIGN_IN
    reply = replied(response_for(SIGN_IN, incoming(accept="application/json"), login_url=lambda: LOGIN_URL))
    assert (reply.status, json_of(reply)["login_url"]) == (401, LOGIN_URL)


def test_no_link_is_made_that_nobody_gets() -> None:
    def link() -> str:
        raise AssertionError("asked for")

    for each in (ALLOWED, NO_DEVICE, FORBIDDEN):
        assert response_for(each, incoming(accept="application/json"), login_url=link) is not Way.SIGN_IN
    assert response_for(SIGN_IN, incoming(accept=BROWSER), login_url=link) is Way.SIGN_IN


def test_browsers_go_to_register_their_device_and_programs_are_told() -> None:
    assert response_for(NO_DEVICE, incoming(accept=BROWSER)) is Way.STEP_UP
    reply = replied(response_for(NO_DEVICE, incoming(accept="application/json")))
    assert reply.status == 401
    assert headers_of(reply)["www-authenticate"] == "Bearer"
    assert replied(response_for(NO_DEVICE, incoming(accept=BROWSER), mcp_server=True)).status == 401


@pytest.mark.parametrize("path", ["/.pomerium/webauthn", "/.pomerium/device-enrolled"])
def test_registering_a_device_needs_no_device(path: str) -> None:
    assert response_for(NO_DEVICE, incoming(path)) is Way.PASS
    for each in (SIGN_IN, FORBIDDEN):
        assert response_for(each, incoming(path)) is not Way.PASS


def test_a_denial_names_the_account_and_shows_why_where_that_is_wanted() -> None:
    reply = replied(
        response_for(
            FORBIDDEN,
            incoming(accept=BROWSER),
            identity=signed_in(email="ada@example.com"),
            details=(Detail("r1", "email-unauthorized"),),
        )
    )
    assert reply.status == 403
    assert b"ada@example.com" in reply.body
    assert b"email-unauthorized" in reply.body


def test_agents_are_told_by_json_rpc_where_they_called_and_by_401_where_not() -> None:
    call = incoming()._replace(mcp=MCPCall(7, "tools/call", "drop"))
    reply = replied(response_for(FORBIDDEN, call, mcp_server=True))
    assert (reply.status, json_of(reply)["id"]) == (200, 7)
    for each in (FORBIDDEN, SIGN_IN):
        reply = replied(response_for(each, incoming(accept=BROWSER), mcp_server=True))
        assert reply.status == 401
        assert headers_of(reply)["www-authenticate"].startswith("Bearer resource_metadata=")


@pytest.mark.parametrize(
    ("why", "status"),
    [("device-unauthorized", 450), ("invalid-client-certificate", 495), ("route-not-found", 404)],
)
def test_other_denials_have_a_status_of_their_own_for_agents_too(why: str, status: int) -> None:
    call = incoming()._replace(mcp=MCPCall(7, "tools/call", "drop"))
    assert replied(response_for(decision(why), call, mcp_server=True)).status == status


def test_each_outcome_has_an_answer() -> None:
    assert {each.outcome for each in MEMBERS} == set(Outcome)


@pytest.mark.parametrize("each", [SIGN_IN, FORBIDDEN, NO_DEVICE])
def test_crawlers_read_that_they_may_not_look(each: Decision) -> None:
    reply = replied(response_for(each, incoming("/robots.txt")))
    assert (reply.status, reply.body) == (200, b"User-agent: *\nDisallow: /")
