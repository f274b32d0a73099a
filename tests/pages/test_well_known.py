"""The discovery document and the key set."""

from __future__ import annotations

import json

import pytest

from pomerium_tw.pages import KeySet, WellKnown

from .memory import drive, incoming

JWKS = b'{"keys":[{"kty":"EC"}]}'


def test_the_document_is_about_the_host_that_was_asked() -> None:
    page = WellKnown("https://authenticate.example.com/oauth2/callback")
    answer = drive(page, incoming("/.well-known/pomerium", host="app.example.com"))
    assert answer.header("access-control-allow-origin") == "*"
    assert json.loads(answer.body) == {
        "issuer": "https://app.example.com/",
        "authentication_callback_endpoint": "https://authenticate.example.com/oauth2/callback",
        "jwks_uri": "https://app.example.com/.well-known/pomerium/jwks.json",
        "frontchannel_logout_uri": "https://app.example.com/.pomerium/sign_out",
    }


def test_the_key_set_may_be_kept_for_a_minute_by_anyone() -> None:
    answer = drive(KeySet(JWKS), incoming())
    assert (answer.status, answer.body) == (200, JWKS)
    assert answer.header("content-type") == "application/json"
    assert answer.header("cache-control") == "max-age=60"
    assert answer.header("access-control-allow-origin") == "*"
    assert (answer.header("etag") or "").startswith('"')


def test_the_etag_changes_with_the_keys() -> None:
    assert drive(KeySet(JWKS), incoming()).header("etag") != drive(KeySet(b"{}"), incoming()).header("etag")


@pytest.mark.parametrize("condition", ["{}", "W/{}", '"other", {}', "*"])
def test_who_holds_the_keys_gets_them_not_again(condition: str) -> None:
    page = KeySet(JWKS)
    etag = drive(page, incoming()).header("etag") or ""
    answer = drive(page, incoming(if_none_match=condition.format(etag)))
    assert (answer.status, answer.body) == (304, b"")
    assert answer.header("etag") == etag
    assert answer.header("cache-control") == "max-age=60"
    assert answer.header("access-control-allow-origin") == "*"


@pytest.mark.parametrize("condition", ['"other"', "", "nonsense", "W/"])
def test_another_etag_gets_the_keys(condition: str) -> None:
    assert drive(KeySet(JWKS), incoming(if_none_match=condition)).status == 200


@pytest.mark.parametrize("page", [KeySet(JWKS), WellKnown("https://a.example.com/oauth2/callback")])
def test_a_preflight_from_anywhere_is_allowed(page: KeySet | WellKnown) -> None:
    answer = drive(page, incoming(method="OPTIONS", origin="https://other.example"))
    assert answer.status == 204
    assert answer.header("access-control-allow-origin") == "*"
    assert answer.header("access-control-allow-credentials") is None
    assert drive(page, incoming(method="POST")).header("allow") == "GET, HEAD, OPTIONS"
