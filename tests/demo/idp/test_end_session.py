"""Signing out at the provider, over real sockets."""

from __future__ import annotations

import json

import jwt
import pytest
from pytest_twisted import ensureDeferred

from ..conftest import ADMIN, AFTER, MEMBER, SIGNING_KEY, Browser, Provider, form_of


async def signed_in(provider: Provider) -> tuple[Browser, str]:
    """A browser with a session, and the ID token of it."""
    browser = provider.browser()
    code = (await provider.sign_in(browser)).sent_home["code"]
    return browser, json.loads((await provider.token(code=code)).text)["id_token"]


async def is_signed_in(provider: Provider, browser: Browser) -> bool:
    return (await browser.get("/authorize", **provider.request(prompt="none"))).sent_home.get("error") is None


@ensureDeferred
async def test_an_id_token_signs_out_at_once_and_goes_where_registered(provider: Provider) -> None:
    browser, id_token = await signed_in(provider)
    provider.clock.advance(3600)  # an old token still says who is meant
    answer = await browser.get(
        "/end-session",
        id_token_hint=id_token,
        post_logout_redirect_uri=AFTER,
        state="bye",
        client_id="client",
    )
    assert answer.status == 303
    assert answer.location == f"{AFTER}?state=bye"
    assert not await is_signed_in(provider, browser)


@ensureDeferred
async def test_the_old_session_cookie_is_dead_on_the_server_too(provider: Provider) -> None:
    browser, id_token = await signed_in(provider)
    stolen = Browser(provider.port, dict(browser.cookies))
    page = await browser.get("/end-session", id_token_hint=id_token)
    assert "Signed out" in page.text
    assert not await is_signed_in(provider, stolen)


@ensureDeferred
async def test_without_a_hint_the_person_is_asked(provider: Provider) -> None:
    browser, _ = await signed_in(provider)
    page = await browser.get("/end-session", client_id="client", post_logout_redirect_uri=AFTER)
    assert page.status == 200
    assert MEMBER.name in page.text
    assert await is_signed_in(provider, browser)
    form = form_of(page.text)
    stranger = provider.browser()
    assert (await stranger.post("/end-session", form=form)).status == 400
    page = await browser.get("/end-session", client_id="client", post_logout_redirect_uri=AFTER)
    answer = await browser.post("/end-session", form=form_of(page.text))
    assert (answer.status, answer.location) == (303, AFTER)
    assert not await is_signed_in(provider, browser)


@ensureDeferred
async def test_somebody_elses_or_a_forged_token_is_no_hint(provider: Provider) -> None:
    browser, _ = await signed_in(provider)
    other = provider.browser()
    code = (await provider.sign_in(other, ADMIN)).sent_home["code"]
    of_admin = json.loads((await provider.token(code=code)).text)["id_token"]
    claims = {"iss": provider.issuer, "aud": "client", "sub": MEMBER.subject}
    forged = jwt.encode(claims, "secret" * 8, "HS256")
    wrong_issuer = jwt.encode({**claims, "iss": "https://evil.example"}, SIGNING_KEY, "RS256")
    for hint in (of_admin, forged, wrong_issuer, "x"):
        page = await browser.get("/end-session", id_token_hint=hint)
        assert "Sign out?" in page.text
    assert await is_signed_in(provider, browser)


@pytest.mark.parametrize(
    "fields",
    [
        {"client_id": "client", "post_logout_redirect_uri": "https://evil.example/"},
        {"client_id": "client", "post_logout_redirect_uri": AFTER + "/"},
        {"post_logout_redirect_uri": AFTER},
        {"client_id": "other", "post_logout_redirect_uri": AFTER},
        {"client_id": "nobody"},
    ],
)
@ensureDeferred
async def test_no_other_place_is_gone_to(provider: Provider, fields: dict[str, str]) -> None:
    browser, _ = await signed_in(provider)
    for method in (browser.get, browser.post):
        answer = await method("/end-session", **fields)
        assert (answer.status, answer.location) == (400, "")
    assert await is_signed_in(provider, browser)


@ensureDeferred
async def test_a_token_of_another_client_than_the_named_one_is_refused(provider: Provider) -> None:
    browser, id_token = await signed_in(provider)
    assert (await browser.get("/end-session", id_token_hint=id_token, client_id="other")).status == 400


@ensureDeferred
async def test_the_front_page_says_who_is_signed_in(provider: Provider) -> None:
    browser, id_token = await signed_in(provider)
    assert MEMBER.email in (await browser.get("/")).text
    await browser.get("/end-session", id_token_hint=id_token)
    assert "Nobody is signed in" in (await browser.get("/")).text
