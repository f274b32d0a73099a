"""The authorization endpoint and the sign-in form, over real sockets."""

from __future__ import annotations

import re
from urllib.parse import urlencode

import pytest
from pytest_twisted import ensureDeferred
from twisted.internet import reactor
from twisted.internet.task import Clock

from pomerium_tw.demo.idp.accounts import MAX_FAILURES, MAX_FAILURES_TOGETHER, WAIT
from pomerium_tw.demo.idp.browser import FORM_LIFETIME, SESSION_LIFETIME

from ..conftest import ADMIN, CALLBACK, ISSUER, MEMBER, OUTSIDER, Browser, Provider, form_of, make_site


@ensureDeferred
async def test_a_right_password_sends_the_browser_home_with_code_state_and_issuer(provider: Provider) -> None:
    home = await provider.sign_in(provider.browser())
    assert home.status == 303
    assert home.location.startswith(f"{CALLBACK}&code=")
    assert home.sent_home["state"] == "some state"
    assert home.sent_home["iss"] == ISSUER


@ensureDeferred
async def test_a_signed_in_browser_is_not_asked_again(provider: Provider) -> None:
    browser = provider.browser()
    await provider.sign_in(browser)
    again = await browser.get("/authorize", **provider.request(state="second"))
    assert again.status == 303
    assert again.sent_home["state"] == "second"
    provider.clock.advance(SESSION_LIFETIME)
    assert (await browser.get("/authorize", **provider.request())).status == 200


@pytest.mark.parametrize("changes", [{"prompt": "login"}, {"prompt": "select_account"}, {"max_age": "60"}])
@ensureDeferred
async def test_a_client_may_want_a_fresh_sign_in(provider: Provider, changes: dict[str, str]) -> None:
    browser = provider.browser()
    await provider.sign_in(browser)
    provider.clock.advance(61)
    assert (await browser.get("/authorize", **provider.request(**changes))).status == 200
    assert (await browser.get("/authorize", **provider.request(max_age="61"))).status == 303


@ensureDeferred
async def test_prompt_none_never_asks(provider: Provider) -> None:
    browser = provider.browser()
    refused = await browser.get("/authorize", **provider.request(prompt="none"))
    assert refused.sent_home["error"] == "login_required"
    assert refused.sent_home["state"] == "some state"
    assert refused.sent_home["iss"] == ISSUER
    await provider.sign_in(browser)
    assert "code" in (await browser.get("/authorize", **provider.request(prompt="none"))).sent_home


@pytest.mark.parametrize(
    "changes",
    [
        {"client_id": "nobody"},
        {"client_id": None},
        {"redirect_uri": None},
        {"redirect_uri": CALLBACK + "x"},
        {"redirect_uri": CALLBACK.replace("https", "http")},
        {"redirect_uri": "https://evil.example/"},
        {"redirect_uri": "https://other.example/cb"},
    ],
)
@ensureDeferred
async def test_a_request_that_cannot_be_trusted_is_never_redirected(
    provider: Provider, changes: dict[str, str | None]
) -> None:
    answer = await provider.browser().get("/authorize", **provider.request(**changes))
    assert answer.status == 400
    assert answer.location == ""
    assert "not registered" in answer.text


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": None}, "invalid_request"),
        ({"response_mode": "fragment"}, "invalid_request"),
        ({"scope": "profile"}, "invalid_scope"),
        ({"scope": None}, "invalid_scope"),
        ({"prompt": "none login"}, "invalid_request"),
        ({"max_age": "-1"}, "invalid_request"),
        ({"request": "x.y.z"}, "request_not_supported"),
        ({"request_uri": "https://evil.example"}, "request_uri_not_supported"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge_method": None}, "invalid_request"),
        ({"code_challenge": None}, "invalid_request"),
        ({"code_challenge": "short"}, "invalid_request"),
    ],
)
@ensureDeferred
async def test_other_mistakes_go_home_with_state_and_issuer(
    provider: Provider, changes: dict[str, str | None], error: str
) -> None:
    answer = await provider.browser().get("/authorize", **provider.request(**changes))
    assert answer.status == 303
    assert answer.location.startswith(CALLBACK)
    assert answer.sent_home["error"] == error
    assert answer.sent_home["state"] == "some state"
    assert answer.sent_home["iss"] == ISSUER
    assert "code" not in answer.sent_home


@ensureDeferred
async def test_parameters_given_twice_or_of_enormous_size_are_refused(provider: Provider) -> None:
    query = urlencode(provider.request())
    for odd in (
        "&state=x",
        "&redirect_uri=https://evil.example/",
        f"&login_hint={'x' * 5000}",
        "&a=%ff",
        "&x" * 50,
    ):
        answer = await provider.browser().send("GET", f"/authorize?{query}{odd}")
        assert (answer.status, answer.location) == (400, ""), odd


@ensureDeferred
async def test_the_request_may_come_by_post(provider: Provider) -> None:
    assert (await provider.browser().post("/authorize", **provider.request())).status == 200


@ensureDeferred
async def test_unknown_and_known_users_look_the_same(provider: Provider) -> None:
    answers = []
    for username in (MEMBER.username, "nobody@corp.example"):
        browser = provider.browser()
        page = await browser.get("/authorize", **provider.request())
        form = form_of(page.text)
        answer = await browser.post("/sign-in", form=form, username=username, password="wrong")
        answers.append((answer.status, answer.text.replace(form, "").replace(f'value="{username}"', "")))
        assert not any("session" in name for name in browser.cookies)
    assert answers[0] == answers[1]
    assert answers[0][0] == 403
    assert "User name or password is wrong" in answers[0][1]


@ensureDeferred
async def test_a_wrong_password_leaves_the_form_usable(provider: Provider) -> None:
    browser = provider.browser()
    form = form_of((await browser.get("/authorize", **provider.request())).text)
    await browser.post("/sign-in", form=form, username=MEMBER.username, password="wrong")
    right = await browser.post(
        "/sign-in", form=form, username=MEMBER.username.upper(), password=MEMBER.password
    )
    assert right.status == 303
    again = await browser.post("/sign-in", form=form, username=MEMBER.username, password=MEMBER.password)
    assert again.status == 400


@pytest.mark.parametrize("username", [MEMBER.username, "nobody@corp.example"])
@ensureDeferred
async def test_failed_tries_are_limited_for_each_name(provider: Provider, username: str) -> None:
    browser = provider.browser()
    form = form_of((await browser.get("/authorize", **provider.request())).text)
    for _ in range(MAX_FAILURES):
        answer = await browser.post("/sign-in", form=form, username=username, password="wrong")
        assert answer.status == 403
    answer = await browser.post("/sign-in", form=form, username=username, password=MEMBER.password)
    assert answer.status == 429
    assert answer.header("Retry-After") == "60"
    other = await browser.post("/sign-in", form=form, username=ADMIN.username, password="wrong")
    assert other.status == 403
    provider.clock.advance(WAIT)
    answer = await browser.post("/sign-in", form=form, username=MEMBER.username, password=MEMBER.password)
    assert answer.status == 303


@ensureDeferred
async def test_failed_tries_are_limited_for_all_names_together(provider: Provider) -> None:
    browser = provider.browser()
    form = form_of((await browser.get("/authorize", **provider.request())).text)
    for number in range(MAX_FAILURES_TOGETHER):
        await browser.post("/sign-in", form=form, username=f"name-{number}", password="wrong")
    answer = await browser.post("/sign-in", form=form, username=MEMBER.username, password=MEMBER.password)
    assert answer.status == 429


@ensureDeferred
async def test_a_form_belongs_to_the_browser_it_was_given_to(provider: Provider) -> None:
    attacker = provider.browser()
    form = form_of((await attacker.get("/authorize", **provider.request())).text)
    fields = {"form": form, "username": OUTSIDER.username, "password": OUTSIDER.password}
    victim = provider.browser()
    await victim.get("/authorize", **provider.request())
    for browser in (victim, provider.browser(), Browser(provider.port, {"idp-browser": "made up"})):
        answer = await browser.post("/sign-in", **fields)
        assert answer.status == 400
        assert "another browser" in answer.text
    provider.clock.advance(FORM_LIFETIME)
    assert (await attacker.post("/sign-in", **fields)).status == 400


@ensureDeferred
async def test_a_session_id_is_new_with_each_sign_in(provider: Provider) -> None:
    browser = provider.browser()
    browser.cookies["idp-session"] = "planted"
    await provider.sign_in(browser)
    first = browser.cookies["idp-session"]
    assert first != "planted"
    await provider.sign_in(browser, ADMIN, prompt="login")
    assert browser.cookies["idp-session"] != first
    stale = Browser(provider.port, {"idp-session": first})
    assert (await stale.get("/authorize", **provider.request())).status == 200


@ensureDeferred
async def test_several_tabs_sign_in_in_any_order(provider: Provider) -> None:
    browser = provider.browser()
    forms = {
        state: form_of((await browser.get("/authorize", **provider.request(state=state))).text)
        for state in ("one", "two", "three")
    }
    for state in ("two", "three", "one"):
        fields = {"form": forms[state], "username": MEMBER.username, "password": MEMBER.password}
        home = await browser.post("/sign-in", **fields)
        assert home.sent_home["state"] == state


@ensureDeferred
async def test_cancelling_goes_home_with_an_error(provider: Provider) -> None:
    browser = provider.browser()
    form = form_of((await browser.get("/authorize", **provider.request())).text)
    assert (await browser.post("/sign-in", form=form, cancel="1")).sent_home["error"] == "access_denied"


@ensureDeferred
async def test_pages_are_escaped_and_allow_nothing_inline(provider: Provider) -> None:
    evil = '"><script>alert(1)</script>'
    page = await provider.browser().get("/authorize", **provider.request(login_hint=evil))
    assert "<script" not in page.text
    assert "&lt;script&gt;" in page.text
    assert "Some &lt;App&gt;" in page.text
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=|https?://", page.text)
    policy = page.header("Content-Security-Policy")
    assert policy.startswith("default-src 'none'; style-src 'self'; script-src 'self';")
    assert "form-action 'self' https://authenticate.example;" in policy
    assert page.header("Cache-Control") == "no-store"
    assert page.header("X-Content-Type-Options") == "nosniff"


@ensureDeferred
async def test_the_page_lists_the_accounts_and_labels_its_fields(provider: Provider) -> None:
    page = (await provider.browser().get("/authorize", **provider.request())).text
    for account in (ADMIN, MEMBER, OUTSIDER):
        assert account.username in page
        assert account.password in page
    for name in ("username", "password"):
        assert f'<label for="{name}">' in page
        assert f'id="{name}"' in page
    assert 'lang="en"' in page


@ensureDeferred
async def test_assets_are_served(provider: Provider) -> None:
    sheet = await provider.browser().get("/assets/demo.css")
    assert sheet.header("Content-Type").startswith("text/css")
    assert "prefers-color-scheme" in sheet.text
    assert (await provider.browser().get("/assets/nothing.css")).status == 404


@ensureDeferred
async def test_cookies_of_an_https_issuer_are_bound_to_the_host(clock: Clock) -> None:
    site = make_site(clock, "https://idp.localhost:8443")
    listening = reactor.listenTCP(0, site, interface="127.0.0.1")
    try:
        browser = Browser(listening.getHost().port)
        provider = Provider(clock, browser.port, "https://idp.localhost:8443")
        await provider.sign_in(browser)
    finally:
        await listening.stopListening()
    assert {line.partition("=")[0] for line in browser.set_cookies} == {
        "__Host-idp-browser",
        "__Host-idp-session",
    }
    for line in browser.set_cookies:
        attributes = {part.strip().lower() for part in line.split(";")[1:]}
        assert attributes == {"path=/", "secure", "httponly", "samesite=lax"}


@ensureDeferred
async def test_a_large_body_is_refused(provider: Provider) -> None:
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = await provider.browser().send("POST", "/sign-in", b"a=" + b"x" * 70_000, kind)
    assert answer.status == 413
