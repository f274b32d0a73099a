"""Addresses of our own: which of them need a session."""

from __future__ import annotations

import pytest

from pomerium_tw.authorize import decide, internal_evaluation
from pomerium_tw.model import Outcome

FOR_EVERYBODY = [
    "/ping",
    "/healthz",
    "/.pomerium",
    "/.pomerium/",
    "/.pomerium/sign_out",
    "/.pomerium/device-enrolled",
    "/.pomerium/callback/",
    "/.pomerium/users",
    "/.well-known/pomerium",
    "/.well-known/pomerium/jwks.json",
]
FOR_THE_SIGNED_IN = [
    "/.pomerium/jwt",
    "/.pomerium/user",
    "/.pomerium/user/",
    "/.pomerium/webauthn",
    "/.pomerium/routes",
    "/.pomerium/api/v1/routes",
    "/.pomerium/mcp/authorize",
    "/.pomerium/mcp/connect",
    "/.pomerium/mcp/routes",
]


@pytest.mark.parametrize("path", FOR_EVERYBODY)
@pytest.mark.parametrize("session_id", ["", "s1"])
def test_most_are_for_everybody(path: str, session_id: str) -> None:
    found = internal_evaluation(path, session_id)
    assert decide(found).outcome is Outcome.ALLOW
    assert found.allow_reasons == {"pomerium-route"}


@pytest.mark.parametrize("path", FOR_THE_SIGNED_IN)
def test_those_about_the_caller_need_a_session(path: str) -> None:
    assert decide(internal_evaluation(path, "")).outcome is Outcome.LOGIN
    assert decide(internal_evaluation(path, "s1")).outcome is Outcome.ALLOW


@pytest.mark.parametrize(
    "path", ["", "/", "/user", "/.pomeriumx/", "/.well-known/other", "/x/.pomerium/user"]
)
def test_addresses_that_are_not_ours_are_not_let_through_here(path: str) -> None:
    decision = decide(internal_evaluation(path, "s1"))
    assert (decision.outcome, decision.status) == (Outcome.DENY, 404)
