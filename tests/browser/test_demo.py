"""What a newcomer does with the demo, and what goes wrong on the way."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from pomerium_tw.demo.idp.accounts import DEMO_ACCOUNTS

from .conftest import Demo

pytestmark = pytest.mark.browser

ADMIN, MEMBER, OUTSIDER = DEMO_ACCOUNTS
REQUEST_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


def fill_in(page: Page, account: Any, password: str | None = None) -> None:
    """Type user name and password into the identity provider's page and send them."""
    page.get_by_label("User name").fill(account.username)
    page.get_by_label("Password").fill(account.password if password is None else password)
    page.get_by_role("button", name="Sign in").click()


def sign_in(page: Page, url: str, account: Any) -> None:
    page.goto(url)
    fill_in(page, account)
    page.wait_for_url(url)


def shown_request_id(page: Page) -> str:
    found = REQUEST_ID.search(page.inner_text("main"))
    assert found, page.inner_text("main")
    return found[0]


def test_the_administrator_is_verified_on_both_routes(page: Page, demo: Demo) -> None:
    sign_in(page, demo.url("verify", "/some/page?with=query"), ADMIN)
    expect(page.get_by_role("heading", level=1)).to_contain_text("verified")
    page.goto(demo.url("admin"))
    expect(page.get_by_role("heading", level=1)).to_contain_text("verified")
    expect(page.locator("main")).to_contain_text(ADMIN.username)


def test_the_member_is_refused_with_a_request_id_that_is_in_the_log(page: Page, demo: Demo) -> None:
    sign_in(page, demo.url("verify"), MEMBER)
    answer = page.goto(demo.url("admin"))
    assert answer is not None
    assert answer.status == 403
    request_id = shown_request_id(page)
    assert answer.headers["x-request-id"] == request_id
    decision = demo.log.wait_for_line(message="authorize check", request_id=request_id)
    assert decision["email"] == MEMBER.username
    assert decision["allow"] is False
    assert decision["allow-why-false"] == ["claim-unauthorized"]
    assert demo.log.wait_for_line(message="http-request", request_id=request_id)["response-code"] == 403


def test_after_signing_out_the_next_request_signs_in_again(page: Page, demo: Demo) -> None:
    sign_in(page, demo.url("verify"), OUTSIDER)
    sign_in_host = urlsplit(demo.url("idp")).netloc
    page.goto(demo.url("verify", "/.pomerium/"))
    expect(page.get_by_role("heading", level=1)).to_contain_text("Outsider")
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("signed out", ignore_case=True)
    page.goto(demo.url("verify"))
    expect(page.get_by_label("Password")).to_be_visible()
    assert urlsplit(page.url).netloc == sign_in_host


def test_everybody_sees_the_public_route(page: Page, demo: Demo) -> None:
    answer = page.goto(demo.url("public"))
    assert answer is not None
    assert answer.status == 200
    expect(page.locator("main")).to_contain_text("GET /")


def test_ten_tabs_sign_in_at_once_and_all_arrive(person: BrowserContext, demo: Demo) -> None:
    tabs = [person.new_page() for _ in range(10)]
    for number, tab in enumerate(tabs):
        tab.goto(demo.url("verify", f"/tab/{number}"))
    for number in (3, 0, 9, 1, 8, 2, 7, 4, 6, 5):
        tab = tabs[number]
        fill_in(tab, MEMBER)
        tab.wait_for_url(demo.url("verify", f"/tab/{number}"))
        expect(tab.get_by_role("heading", level=1)).to_contain_text("verified")


def test_a_wrong_password_says_what_to_do(page: Page, demo: Demo) -> None:
    page.goto(demo.url("verify"))
    fill_in(page, ADMIN, "not the password")
    expect(page.get_by_role("alert")).to_be_visible()
    fill_in(page, ADMIN)
    page.wait_for_url(demo.url("verify"))


def test_cancelling_at_the_provider_is_explained(page: Page, demo: Demo) -> None:
    page.goto(demo.url("verify"))
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator("main")).to_contain_text("401")
    expect(page.locator("main")).to_contain_text("What you can do")
    shown_request_id(page)


def tampered(state: str) -> str:
    return state[:-2] + ("AA" if not state.endswith("AA") else "BB")


@pytest.mark.parametrize("change", ["state", "code"])
def test_a_tampered_callback_is_refused_and_explained(page: Page, demo: Demo, change: str) -> None:
    page.goto(demo.url("verify"))
    state = parse_qs(urlsplit(page.url).query)["state"][0]
    query = urlencode({"code": "never-issued", "state": tampered(state) if change == "state" else state})
    answer = page.goto(demo.url("authenticate", f"/oauth2/callback?{query}"))
    assert answer is not None
    assert answer.status == 400
    expect(page.locator("main")).to_contain_text("What you can do")
    logged = demo.log.wait_for_line(message="http-request", request_id=shown_request_id(page))
    assert logged["response-code"] == 400


def test_session_cookies_are_out_of_reach(page: Page, person: BrowserContext, demo: Demo) -> None:
    sign_in(page, demo.url("verify"), ADMIN)
    cookies = {cookie["name"]: cookie for cookie in person.cookies(demo.url("verify"))}
    session = cookies["__Host-_pomerium"]
    assert session["secure"]
    assert session["httpOnly"]
    assert session["path"] == "/"
    assert session["domain"] == "verify.localhost"
    assert page.evaluate("document.cookie") == ""


OWN_PAGES = ["/.pomerium/", "/.pomerium/sign_out", "/.pomerium/nothing-here"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_pages_fit_the_screen(chromium: Browser, demo: Demo, scheme: Any, width: int) -> None:
    context = chromium.new_context(color_scheme=scheme, viewport={"width": width, "height": 800})
    page = context.new_page()
    sign_in(page, demo.url("verify"), MEMBER)
    addresses = [demo.url("verify", path) for path in OWN_PAGES] + [demo.url("admin"), demo.url("verify")]
    backgrounds = set()
    for address in addresses:
        page.goto(address)
        root = "document.documentElement"
        assert page.evaluate(f"{root}.scrollWidth - {root}.clientWidth") <= 0, address
        backgrounds.add(page.evaluate("getComputedStyle(document.body).backgroundColor"))
    light = all(int(part) > 128 for colour in backgrounds for part in re.findall(r"\d+", colour)[:3])
    assert light == (scheme == "light"), backgrounds
    context.close()
