"""The user page and the user document."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from twisted.internet.task import Clock

from pomerium_tw.model import ANONYMOUS, Identity, Request, Session
from pomerium_tw.pages import Form, UserDocument, UserPage
from pomerium_tw.pages.user import Moment, remaining

from .memory import NOW, Channel, drive, incoming, signed_in
from .test_claims import JWS
from .test_render import HOSTILE, Markup, assert_harmless


def clock_at(seconds: float) -> Clock:
    clock = Clock()
    clock.advance(seconds)
    return clock


def visit(identity: Identity, *, at: float = NOW, **options: Any) -> Channel:
    return drive(UserPage(clock_at(at), **options), incoming("/.pomerium/"), identity)


def test_the_page_shows_who_is_signed_in_and_for_how_long() -> None:
    identity = signed_in(
        name="Ada Lovelace", groups=("engineering", "on-call"), email_verified=True, locale="en-GB"
    )
    answer = visit(identity)
    page = answer.body.decode()
    assert answer.status == 200
    for part in ("Ada Lovelace", "ada@example.com", "user-1", "engineering", "on-call", "en-GB", ">true<"):
        assert part in page
    assert "another 14 hours" in page
    assert '<time datetime="2027-01-15T22:00:00Z">15 January 2027, 22:00 UTC</time>' in page


def test_the_page_has_a_sign_out_button_that_posts() -> None:
    form = Form("Sign out", "/.pomerium/sign_out", (("csrf", "token-1"),))
    page = Markup(visit(signed_in(), sign_out=lambda request: form).body.decode())
    assert ("form", {"method": "post", "action": "/.pomerium/sign_out"}) in page.tags
    assert ("input", {"type": "hidden", "name": "csrf", "value": "token-1"}) in page.tags


def test_the_page_works_with_nothing_but_a_session() -> None:
    identity = Identity(signed_in().session, None)
    page = visit(identity).body.decode()
    assert "user-1" in page
    assert "No groups are known" in page
    assert "No claims." in page


def test_name_and_email_come_from_claims_when_there_is_no_record() -> None:
    claims = {"name": ("Ada L.",), "email": ("l@example.com",), "roles": ()}
    session = Session("session-1", "user-1", "idp", NOW, NOW + 60, claims)
    page = Markup(visit(Identity(session, None)).body.decode())
    assert [tag for tag, _ in page.tags].count("h1") == 1
    for part in ("Ada L.", "l@example.com", "empty", "another 1 minute"):
        assert part in page.text


def test_groups_that_the_applications_must_not_learn_are_not_on_the_page() -> None:
    identity = signed_in(groups=("engineering", "secret-project"))
    page = visit(identity, claims_of=lambda request, who: {"groups": ["engineering"]}).body.decode()
    assert "engineering" in page and "secret-project" not in page
    assert "No groups are known" in visit(identity, claims_of=lambda request, who: None).body.decode()


def test_hostile_claims_stay_text() -> None:
    claims = {HOSTILE: (HOSTILE, HOSTILE), "groups": (HOSTILE,), "deep": (True, 1.5)}
    page = Markup(visit(signed_in(name=HOSTILE, email=HOSTILE, **claims)).body.decode())
    assert_harmless(page)
    assert page.text.count("<script>alert(1)</script>") >= 6


def test_no_token_is_shown() -> None:
    page = visit(signed_in(access_token="opaque-value", stray=JWS, other=("x", JWS))).body.decode()
    assert "opaque-value" not in page
    assert JWS not in page


@pytest.mark.parametrize("at", [NOW + 14 * 3600, NOW + 20 * 3600])
def test_a_dead_session_is_no_session(at: float) -> None:
    page = visit(signed_in(), at=at).body.decode()
    assert "You are not signed in" in page
    assert "ada@example.com" not in page


def test_a_stranger_may_sign_in() -> None:
    answer = visit(ANONYMOUS, sign_in_url=lambda request: f"https://authenticate.example.com/?r={request.id}")
    assert answer.status == 200
    assert b"You are not signed in" in answer.body
    assert b'href="https://authenticate.example.com/?r=' in answer.body
    assert b"Sign in</a>" not in visit(ANONYMOUS).body


def document(identity: Identity, claims: Mapping[str, Any] | None, **headers: str) -> Channel:
    seen: list[Request] = []

    def claims_of(request: Request, who: Identity) -> Mapping[str, Any] | None:
        seen.append(request)
        assert who is identity
        return claims

    return drive(UserDocument(clock_at(NOW), claims_of), incoming("/.pomerium/user", **headers), identity)


def test_the_document_holds_the_assertion_without_its_envelope() -> None:
    claims = {
        "iss": "h",
        "aud": "h",
        "exp": 1,
        "iat": 1,
        "jti": "j",
        "sub": "user-1",
        "groups": ["a"],
        "stray": JWS,
    }
    answer = document(signed_in(), claims)
    assert answer.status == 200
    assert json.loads(answer.body) == {"groups": ["a"], "sub": "user-1"}
    assert "no-store" in (answer.header("cache-control") or "")


def test_the_document_needs_a_session() -> None:
    answer = document(ANONYMOUS, {"sub": "user-1"}, accept="application/json")
    assert answer.status == 401
    assert json.loads(answer.body)["error"] == "Unauthenticated"


@pytest.mark.parametrize("claims", [None, {}, {"sub": ""}, {"email": "a@example.com"}])
def test_the_document_needs_a_subject(claims: Mapping[str, Any] | None) -> None:
    assert document(signed_in(), claims).status == 404


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "less than a minute"),
        (59.9, "less than a minute"),
        (60, "1 minute"),
        (3600, "1 hour"),
        (50399, "13 hours 59 minutes"),
        (90061, "1 day 1 hour"),
        (86400 * 2 + 300, "2 days 5 minutes"),
    ],
)
def test_a_span_is_told_in_its_two_largest_units(seconds: float, text: str) -> None:
    assert remaining(seconds) == text


def test_a_time_out_of_range_does_not_break_the_page() -> None:
    assert Moment.of(1e20) == Moment("", "1e+20")
    assert Moment.of(float("nan")) == Moment("", "nan")
