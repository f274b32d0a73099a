"""Signing out, as the visitor sees it."""

from __future__ import annotations

from pomerium_tw.model import ANONYMOUS
from pomerium_tw.pages import Form, Link, SignedOut, confirm_sign_out, signed_out

from .memory import drive, headers_of, incoming, signed_in
from .test_render import HOSTILE, assert_harmless, markup

FORM = Form("Sign out", "/.pomerium/sign_out", (("csrf", "t"),))


def test_signing_out_is_asked_about_first() -> None:
    page = markup(confirm_sign_out(signed_in(email="ada@example.com"), FORM))
    assert "ada@example.com" in page.text
    assert ("form", {"method": "post", "action": "/.pomerium/sign_out"}) in page.tags
    assert ("input", {"type": "hidden", "name": "csrf", "value": "t"}) in page.tags
    assert ("a", {"class": "button", "href": "/.pomerium/"}) in page.tags


def test_a_stranger_may_sign_out_too() -> None:
    assert "if you have one" in markup(confirm_sign_out(ANONYMOUS, FORM)).text


def test_a_hostile_name_stays_text() -> None:
    assert_harmless(markup(confirm_sign_out(signed_in(email=HOSTILE), FORM)))


def test_afterwards_it_is_said_and_cookies_can_be_cleared() -> None:
    reply = signed_out(((b"Set-Cookie", b"_pomerium=; Max-Age=0"),), (Link("Sign in again", "/"),))
    assert reply.status == 200
    assert headers_of(reply)["set-cookie"] == "_pomerium=; Max-Age=0"
    assert b"You are signed out" in reply.body
    assert b"Sign in again" in reply.body


def test_the_signed_out_page_stands_on_its_own() -> None:
    answer = drive(SignedOut(), incoming("/.pomerium/signed_out"))
    assert answer.status == 200
    assert b"You are signed out" in answer.body
