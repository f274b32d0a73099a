"""The conversation from the first click to the page wanted, and every way in which it must not succeed."""

from __future__ import annotations

import itertools
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from pytest_twisted import ensureDeferred
from twisted.internet.defer import Deferred
from twisted.logger import globalLogPublisher

from pomerium_tw.authenticate.hand_over import HandOver
from pomerium_tw.authenticate.state import SignInState
from pomerium_tw.databroker import SESSION, USER, Record
from pomerium_tw.model import Session
from pomerium_tw.session import SessionHandle, open_tokens
from pomerium_tw.token import encode

from .world import APP, AUTH, NAVIGATION, NOW, OTHER, REQUEST_ID, Browser, World, make_request

CALLBACK = AUTH + "/oauth2/callback"


def query_of(url: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query, keep_blank_values=True).items()}


def with_query(url: str, **changes: str | None) -> str:
    query = {**query_of(url), **changes}
    return url.partition("?")[0] + "?" + urlencode({k: v for k, v in query.items() if v is not None})


# --- the way that works


@ensureDeferred
async def test_a_visitor_signs_in_and_sees_the_page_asked_for(world: World, browser: Browser) -> None:
    answer = await browser.sign_in(APP + "/deep/link?with=query&and=more%20")
    assert answer.status == 200
    assert answer.body == "alice@example.com at https://app.example.com/deep/link?with=query&and=more%20"
    assert (await browser.get(APP + "/again")).status == 200


@ensureDeferred
async def test_user_and_session_are_stored_user_first_with_the_tokens_sealed(
    world: World, browser: Browser
) -> None:
    await browser.sign_in(APP + "/")
    [session_id] = world.session_ids()
    session = await world.store.get(SESSION, session_id)
    user = await world.store.get(USER, "alice")
    assert user.version < session.version
    assert user.data["email"] == "alice@example.com" and user.data["claims"]["groups"] == ["staff"]
    assert session.data["expires_at"] == NOW + 14 * 3600 and session.data["idp_id"] == world.idp_id
    tokens = open_tokens(session, world.conversation.keys.tokens)
    assert tokens is not None
    assert world.op.access_tokens[tokens.access_token.reveal_text()] == "alice"
    assert tokens.access_token.reveal_text() not in str(dict(session.data))


@ensureDeferred
async def test_each_host_gets_a_cookie_that_is_good_for_it_alone(world: World, browser: Browser) -> None:
    await browser.sign_in(APP + "/")
    answer = await browser.walk(OTHER + "/")
    assert answer.status == 200, "the authenticate host's session is handed over without asking again"
    assert world.op.count("/token") == 1 and len(world.session_ids()) == 1
    names = sorted((host, name) for host, _, name in browser.jar if name != "__Host-_pomerium_flow_rounds")
    assert names == [
        ("app.example.com", "__Host-_pomerium"),
        ("auth.example.com", "__Host-_pomerium_authenticate"),
        ("other.example.com", "__Host-_pomerium"),
    ], "and no flow cookie is left"
    stolen = browser.jar[("app.example.com", "/", "__Host-_pomerium")]
    thief = Browser(world, {("other.example.com", "/", "__Host-_pomerium"): stolen})
    assert (await thief.get(OTHER + "/")).status == 302
    thief = Browser(world, {("auth.example.com", "/", "__Host-_pomerium_authenticate"): stolen})
    assert not (await thief.to_provider(APP + "/")).startswith(AUTH)


@ensureDeferred
async def test_the_session_ends_when_its_time_is_over(world: World, browser: Browser) -> None:
    await browser.sign_in(APP + "/")
    world.clock.advance(14 * 3600 - 1)
    assert (await browser.get(APP + "/")).status == 200
    world.clock.advance(1)
    assert (await browser.to_provider(APP + "/")).startswith(world.op.issuer)


@ensureDeferred
async def test_ten_tabs_finish_in_any_order(world: World, browser: Browser) -> None:
    pages = [f"{APP}/page/{number}" for number in range(10)]
    addresses = [await browser.to_provider(page) for page in pages]
    order = [7, 2, 9, 0, 4, 1, 8, 3, 6, 5]
    callbacks = {number: world.op.authorize(addresses[number]) for number in order}
    hand_overs = {number: (await browser.get(callbacks[number])).location for number in order}
    for number in reversed(order):
        answer = await browser.walk(hand_overs[number])
        assert answer.status == 200 and answer.body.endswith(pages[number])


@ensureDeferred
async def test_a_post_comes_back_as_the_first_page_since_its_body_is_lost(
    world: World, browser: Browser
) -> None:
    answer = await browser.post(APP + "/order?item=7")
    assert query_of(answer.location)["pomerium_redirect_uri"] == APP + "/"


@ensureDeferred
async def test_an_address_too_long_or_odd_to_travel_comes_back_as_the_first_page(
    world: World, browser: Browser
) -> None:
    for page in (APP + "/?" + "x" * 2000, APP + "/?a=\\evil", APP + '/?a="b"'):
        answer = await browser.get(page)
        assert query_of(answer.location)["pomerium_redirect_uri"] == APP + "/"


@ensureDeferred
async def test_the_provider_may_answer_by_post(world: World, browser: Browser) -> None:
    world.idp_id, provider = world.build_provider(request_params={"response_mode": "form_post"})
    world.providers[world.idp_id] = provider
    first = await browser.get(APP + "/page")
    begun = await browser.get(first.location)
    assert any("SameSite=None" in cookie for cookie in begun.set_cookies)
    answer = await browser.post(
        CALLBACK, query_of(world.op.authorize(begun.location)), origin=world.op.issuer
    )
    assert answer.status == 200
    refresh = (answer.headers.getRawHeaders("refresh") or [""])[0]
    assert (await browser.walk(refresh.partition("url=")[2])).status == 200


# --- cookies


@ensureDeferred
async def test_every_cookie_is_secure_http_only_and_host_only(world: World, browser: Browser) -> None:
    answers = [await browser.get(APP + "/")]
    answers.append(await browser.get(answers[-1].location))
    answers.append(await browser.get(world.op.authorize(answers[-1].location)))
    answers.append(await browser.get(answers[-1].location))
    cookies = [cookie for answer in answers for cookie in answer.set_cookies]
    assert len(cookies) == 7, "two flows begun, two sessions, two flows ended, one round counted"
    for cookie in cookies:
        assert "; Secure" in cookie and "; HttpOnly" in cookie and "Domain" not in cookie
    paths = [cookie.partition("Path=")[2].partition(";")[0] for cookie in cookies]
    assert sorted(set(paths)) == ["/", "/.pomerium/callback/"]
    assert [cookie[:7] == "__Host-" for cookie in cookies] == [path == "/" for path in paths]


@ensureDeferred
async def test_the_session_id_is_new_at_every_sign_in_and_the_old_one_is_dead(
    world: World, browser: Browser
) -> None:
    await browser.sign_in(APP + "/")
    [old_id] = world.session_ids()
    old = dict(browser.jar)
    world.clock.advance(1)
    await sign_in_anew(world, browser)
    [new_id] = world.session_ids()
    assert new_id != old_id
    assert (await Browser(world, old).get(APP + "/")).status == 302


async def sign_in_anew(world: World, browser: Browser, subject: str = "alice", away: float = 0.0) -> None:
    """At another host, as one whose browser showed its session too late; ``away``: seconds before it did."""
    cookie = ("auth.example.com", "/", "__Host-_pomerium_authenticate")
    session = browser.jar.pop(cookie, "")
    back = world.op.authorize(await browser.to_provider(OTHER + "/"), subject)
    world.clock.advance(away)
    browser.jar[cookie] = session
    assert (await browser.walk(back)).status == 200


@ensureDeferred
async def test_the_session_of_another_user_is_dead_however_young(world: World, browser: Browser) -> None:
    await browser.sign_in(APP + "/", "mallory")
    [old_id] = world.session_ids()
    await sign_in_anew(world, browser)
    [new_id] = world.session_ids()
    assert new_id != old_id and (await browser.get(OTHER + "/")).body.startswith("alice")


@ensureDeferred
async def test_all_that_an_older_session_stood_beside_is_dead_too(world: World, browser: Browser) -> None:
    waiting = [world.op.authorize(await browser.to_provider(APP + f"/{tab}")) for tab in range(3)]
    for back in waiting:
        await browser.walk(back)
    assert len(world.session_ids()) == 3
    world.clock.advance(1)
    await sign_in_anew(world, browser)
    assert len(world.session_ids()) == 1


@pytest.mark.parametrize("host", [APP, OTHER], ids=["older", "newer"])
@ensureDeferred
async def test_sessions_of_two_providers_live_side_by_side_until_the_visitor_signs_out(
    world: World, browser: Browser, host: str
) -> None:
    first = world.idp_id
    await browser.sign_in(APP + "/")
    world.clock.advance(1)
    world.idp_id, provider = world.build_provider(scopes=["openid"])
    world.providers[world.idp_id] = provider
    await browser.sign_in(OTHER + "/", "mallory")
    assert len(world.session_ids()) == 2 and (await browser.get(OTHER + "/")).status == 200
    world.idp_id = first
    assert (await browser.get(APP + "/")).status == 200
    answer = await browser.walk(host + "/.pomerium/sign_out", sec_fetch_site="same-origin")
    assert answer.location.startswith(world.op.issuer) and world.session_ids() == []


@ensureDeferred
async def test_a_session_of_a_provider_that_is_gone_ends_at_the_next_sign_in(
    world: World, browser: Browser
) -> None:
    await browser.sign_in(APP + "/")
    del world.providers[world.idp_id]
    world.idp_id, provider = world.build_provider(scopes=["openid"])
    world.providers[world.idp_id] = provider
    await browser.sign_in(APP + "/")
    assert len(world.session_ids()) == 1


# --- several tabs


@ensureDeferred
async def test_tabs_that_come_back_one_after_another_all_go_on(world: World, browser: Browser) -> None:
    hosts = [f"https://h{number}.example.com" for number in range(10)]
    waiting = [world.op.authorize(await browser.to_provider(host + "/")) for host in hosts]
    for number, back in enumerate(waiting):
        world.clock.advance(7)
        assert (await browser.walk(back)).status == 200
        for host in hosts[: number + 1]:
            assert (await browser.get(host + "/api", sec_fetch_mode="cors")).status == 200
            assert (await browser.post(host + "/save", {"a": "b"})).status == 200
    await browser.walk(hosts[0] + "/.pomerium/sign_out", sec_fetch_site="same-origin")
    assert world.session_ids() == []


# --- cookies that somebody else put there


@ensureDeferred
async def test_a_planted_session_does_not_become_the_visitors(world: World, browser: Browser) -> None:
    planted = world.conversation.codec.encode(
        SessionHandle("attackers-id", "alice", ("auth.example.com",), world.idp_id, NOW, 0)
    )
    browser.jar[("auth.example.com", "/", "__Host-_pomerium_authenticate")] = planted
    browser.jar[("app.example.com", "/", "__Host-_pomerium")] = planted
    assert (await browser.sign_in(APP + "/")).status == 200
    assert world.session_ids() != ["attackers-id"] and len(world.session_ids()) == 1
    assert browser.cookie("auth.example.com", "__Host-_pomerium_authenticate") != planted


@ensureDeferred
async def test_a_session_of_another_provider_is_not_handed_over(world: World, browser: Browser) -> None:
    await browser.sign_in(APP + "/")
    world.idp_id, provider = world.build_provider(scopes=["openid"])
    world.providers[world.idp_id] = provider
    assert (await browser.to_provider(APP + "/")).startswith(world.op.issuer)


# --- links to sign_in


@pytest.mark.parametrize(
    "change",
    [
        {"pomerium_redirect_uri": "https://evil.example/"},
        {"pomerium_idp_id": "another"},
        {"pomerium_flow": encode(b"x" * 16)},
        {"pomerium_expiry": str(NOW + 9999)},
        {"pomerium_issued": str(NOW - 1)},
        {"pomerium_signature": None},
        {"pomerium_signature": ""},
        {"extra": "1"},
    ],
    ids=str,
)
@ensureDeferred
async def test_a_changed_sign_in_link_is_refused_before_anything_else(
    world: World, browser: Browser, change: dict[str, str | None]
) -> None:
    link = (await browser.get(APP + "/")).location
    answer = await browser.get(with_query(link, **change))
    assert answer.status == 400 and not answer.set_cookies
    assert "evil" not in answer.body and REQUEST_ID in answer.body
    assert world.op.seen == []


@ensureDeferred
async def test_a_doubled_parameter_spoils_a_link(world: World, browser: Browser) -> None:
    link = (await browser.get(APP + "/")).location
    for twice in ("pomerium_redirect_uri=https%3A%2F%2Fevil.example", f"pomerium_issued={NOW}"):
        assert (await browser.get(f"{link}&{twice}")).status == 400


@ensureDeferred
async def test_a_link_is_good_for_five_minutes_and_a_minute_of_clock_error(
    world: World, browser: Browser
) -> None:
    link = (await browser.get(APP + "/page")).location
    world.clock.advance(360)
    assert (await browser.get(link)).status == 302
    world.clock.advance(1)
    answer = await browser.get(link)
    assert answer.status == 400 and APP + "/page" in answer.links


@ensureDeferred
async def test_a_link_for_another_host_or_path_is_not_good_here(world: World, browser: Browser) -> None:
    link = (await browser.get(APP + "/")).location
    query = link.partition("?")[2]
    for elsewhere in ("/.pomerium/sign_out", "/.pomerium/callback/"):
        base = AUTH if elsewhere.endswith("out") else APP
        assert (await browser.get(f"{base}{elsewhere}?{query}")).status == 400


EVIL = [
    "https://evil.example\\@app.example.com/",
    "https://app.example.com@evil.example/",
    "https:\\\\evil.example/",
    "https:/evil.example",
    "//evil.example/",
    "/\\evil.example",
    "/%09/evil.example",
    " https://evil.example/",
    "\x01https://evil.example/",
    "https://evil.example/\r\nSet-Cookie: a=b",
    "javascript:alert(1)",
    "data:text/html,x",
    "http://app.example.com/",
    "https://",
    "https:///evil.example",
    "https://app.example.com:99999999/",
    "https://app.example.com%2eevil.example/",
    "https://\u0435xample.com/",
    "",
]


@pytest.mark.parametrize("uri", EVIL)
@ensureDeferred
async def test_even_a_signed_link_does_not_lead_astray(world: World, browser: Browser, uri: str) -> None:
    parameters = {
        "pomerium_redirect_uri": uri,
        "pomerium_idp_id": world.idp_id,
        "pomerium_flow": encode(b"f" * 16),
    }
    answer = await browser.get(world.conversation.urls.sign(AUTH + "/.pomerium/sign_in", parameters))
    assert answer.status == 400
    assert not answer.headers.hasHeader("location")
    await browser.sign_in(APP + "/")
    parameters["pomerium_session_encrypted"] = "x"
    answer = await browser.get(world.conversation.urls.sign(APP + "/.pomerium/callback/", parameters))
    assert answer.status == 400 and not answer.headers.hasHeader("location")


@ensureDeferred
async def test_scripts_get_401_and_no_redirect(world: World, browser: Browser) -> None:
    link = (await browser.get(APP + "/")).location
    for headers in (
        {"x_requested_with": "XMLHttpRequest"},
        {"accept": "application/json"},
        {"sec-fetch-mode": "cors"},
    ):
        answer = await browser.get(link, **headers)
        assert answer.status == 401 and not answer.headers.hasHeader("location")


@ensureDeferred
async def test_the_login_url_of_a_401_leads_back_to_the_page_of_the_script(
    world: World, browser: Browser
) -> None:
    headers = {**NAVIGATION, "referer": APP + "/page?tab=2"}
    url = world.links.login_url(make_request("GET", APP + "/api/data", headers), world.idp_id)
    answer = await browser.sign_in(url)
    assert answer.body.endswith("/page?tab=2")
    stranger = {**NAVIGATION, "referer": "https://evil.example/"}
    url = world.links.login_url(make_request("GET", APP + "/api/data", stranger), world.idp_id)
    assert query_of(url)["pomerium_redirect_uri"] == APP + "/"
    assert (await browser.get(with_query(url, pomerium_redirect_uri=OTHER + "/"))).status == 400


@ensureDeferred
async def test_a_login_url_signed_for_another_host_is_refused(world: World, browser: Browser) -> None:
    parameters = {"pomerium_redirect_uri": OTHER + "/", "pomerium_idp_id": world.idp_id}
    url = world.conversation.urls.sign(APP + "/.pomerium/sign_in", parameters)
    assert (await browser.get(url)).status == 400


@ensureDeferred
async def test_a_provider_that_is_gone_from_the_settings_is_said_to_be(
    world: World, browser: Browser
) -> None:
    link = (await browser.get(APP + "/page")).location
    world.providers.clear()
    answer = await browser.get(link)
    assert answer.status == 400 and APP + "/page" in answer.links


# --- the provider's answer


@ensureDeferred
async def test_an_answer_without_or_with_two_states_or_codes_is_refused(
    world: World, browser: Browser
) -> None:
    good = world.op.authorize(await browser.to_provider(APP + "/"))
    for bad in (
        CALLBACK,
        with_query(good, state=None),
        with_query(good, state=""),
        good + "&" + urlencode({"state": query_of(good)["state"]}),
        with_query(good, state="x" * 65536),
        with_query(good, state="\x00é"),
    ):
        answer = await browser.get(bad)
        assert answer.status == 400 and REQUEST_ID in answer.body
    assert world.op.count("/token") == 0
    assert (await browser.get(good)).status == 302, "none of them spoiled the real one"


@ensureDeferred
async def test_an_oversized_code_is_not_passed_on(world: World, browser: Browser) -> None:
    good = world.op.authorize(await browser.to_provider(APP + "/"))
    assert (await browser.get(with_query(good, code="x" * 65536))).status == 400
    assert world.op.count("/token") == 0


@ensureDeferred
async def test_a_doubled_code_is_none(world: World, browser: Browser) -> None:
    good = world.op.authorize(await browser.to_provider(APP + "/"))
    assert (await browser.get(good + "&code=another")).status == 400
    assert world.op.count("/token") == 0


@pytest.mark.parametrize("position", [0, 5, 20, -1])
@ensureDeferred
async def test_a_changed_state_is_refused(world: World, browser: Browser, position: int) -> None:
    good = world.op.authorize(await browser.to_provider(APP + "/"))
    state = list(query_of(good)["state"])
    state[position] = "A" if state[position] != "A" else "B"
    answer = await browser.get(with_query(good, state="".join(state)))
    assert answer.status == 400 and not answer.set_cookies
    assert world.op.count("/token") == 0


@ensureDeferred
async def test_a_state_older_than_five_minutes_offers_the_page_first_wanted(
    world: World, browser: Browser
) -> None:
    good = world.op.authorize(await browser.to_provider(APP + "/wanted?x=1"))
    world.clock.advance(301)
    forgotten = Browser(world)
    for visitor in (browser, forgotten):  # browsers drop the flow cookie after five minutes
        answer = await visitor.get(good)
        assert answer.status == 400 and "expired" in answer.body
        assert APP + "/wanted?x=1" in answer.links
    assert (await browser.sign_in(APP + "/wanted?x=1")).status == 200


@ensureDeferred
async def test_a_callback_in_another_browser_is_refused(world: World, browser: Browser) -> None:
    attackers = world.op.authorize(await browser.to_provider(APP + "/"), "mallory")
    victim = Browser(world)
    answer = await victim.get(attackers)
    assert answer.status == 400 and not answer.set_cookies and world.session_ids() == []
    await victim.to_provider(APP + "/")
    assert (await victim.get(attackers)).status == 400, "a flow of his own does not help"


@ensureDeferred
async def test_a_flow_cookie_that_a_sibling_host_plants_is_not_read(world: World, browser: Browser) -> None:
    """Cookies with the prefix are set by their own host alone."""
    mallory = Browser(world)
    back = world.op.authorize(await mallory.to_provider("https://evil.example.com/"), "mallory")
    for (host, _path, name), value in mallory.jar.items():
        if host == "auth.example.com":
            for path in ("/", "/oauth2/callback"):
                browser.jar[(".example.com", path, name.removeprefix("__Host-"))] = value
    assert browser.jar
    answer = await browser.get(back)
    assert answer.status == 400 and not answer.set_cookies and world.session_ids() == []


@pytest.mark.parametrize("kind", ["image", "script", "style", "object", "embed", "worker"])
@ensureDeferred
async def test_a_callback_that_is_no_page_spends_nothing(world: World, browser: Browser, kind: str) -> None:
    back = world.op.authorize(await browser.to_provider(APP + "/"))
    answer = await browser.get(back, sec_fetch_dest=kind, accept="text/html")
    assert answer.status == 400 and not answer.set_cookies
    assert "does not belong to this browser" in answer.body and world.op.count("/token") == 0
    assert (await browser.walk(back)).status == 200


@pytest.mark.parametrize("kind", ["", "empty", "iframe"])
@ensureDeferred
async def test_a_callback_in_a_frame_or_of_an_old_browser_is_a_page(
    world: World, browser: Browser, kind: str
) -> None:
    back = world.op.authorize(await browser.to_provider(APP + "/"))
    assert (await browser.get(back, sec_fetch_dest=kind)).status == 302


@ensureDeferred
async def test_a_flow_cookie_renamed_to_another_flow_is_not_it(world: World, browser: Browser) -> None:
    attackers = world.op.authorize(await Browser(world).to_provider(APP + "/"), "mallory")
    await browser.to_provider(APP + "/")
    flow_id = SignInState.open(
        query_of(attackers)["state"], world.conversation.keys.state, "auth.example.com"
    ).flow_id
    [own] = [key for key in browser.jar if key[0] == "auth.example.com"]
    browser.jar[("auth.example.com", "/oauth2/callback", "_pomerium_flow_" + flow_id)] = browser.jar[own]
    assert (await browser.get(attackers)).status == 400


@ensureDeferred
async def test_a_callback_works_once(world: World, browser: Browser) -> None:
    good = world.op.authorize(await browser.to_provider(APP + "/page"))
    before = dict(browser.jar)
    assert (await browser.get(good)).status == 302
    answer = await Browser(world, before).get(good)
    assert answer.status == 400 and "already used" in answer.body and APP + "/page" in answer.links
    assert world.op.count("/token") == 1


@ensureDeferred
async def test_the_nonce_of_the_browser_counts(world: World, browser: Browser) -> None:
    good = world.op.authorize(await browser.to_provider(APP + "/"))
    code = query_of(good)["code"]
    world.op.codes[code].nonce = "of another sign-in"
    answer = await browser.get(good)
    assert answer.status == 400 and APP + "/" in answer.links and world.session_ids() == []


@ensureDeferred
async def test_a_stolen_code_does_not_work_in_the_thiefs_flow(world: World, browser: Browser) -> None:
    victims = world.op.authorize(await Browser(world).to_provider(APP + "/"))
    own = world.op.authorize(await browser.to_provider(APP + "/"), "mallory")
    answer = await browser.get(with_query(own, code=query_of(victims)["code"]))
    assert answer.status == 400 and world.session_ids() == []


@pytest.mark.parametrize(
    "lie",
    [{"aud": "other"}, {"iss": "https://evil.example"}, {"at_hash": "x"}, {"sub": ""}, {"azp": "other"}],
    ids=str,
)
@ensureDeferred
async def test_a_wrong_id_token_signs_nobody_in(world: World, browser: Browser, lie: dict[str, str]) -> None:
    world.op.claims = lambda claims: {**claims, **lie}
    answer = await browser.sign_in(APP + "/page")
    assert answer.status == 400 and APP + "/page" in answer.links
    assert world.session_ids() == []


@ensureDeferred
async def test_an_answer_that_names_another_issuer_is_refused(world: World, browser: Browser) -> None:
    good = world.op.authorize(await browser.to_provider(APP + "/"))
    assert (await browser.get(good + "&iss=https%3A%2F%2Fevil.example")).status == 400
    assert world.op.count("/token") == 0


@ensureDeferred
async def test_a_person_who_is_refused_reads_401_and_may_start_again(world: World, browser: Browser) -> None:
    answer = await browser.walk(world.op.refuse(await browser.to_provider(APP + "/page")))
    assert answer.status == 401 and APP + "/page" in answer.links and REQUEST_ID in answer.body
    assert (await browser.sign_in(APP + "/page")).status == 200


@pytest.mark.parametrize("path", ["/.well-known/openid-configuration", "/token", "/jwks", "/userinfo"])
@ensureDeferred
async def test_a_provider_that_is_down_gives_503_and_a_way_to_try_again(
    world: World, browser: Browser, path: str
) -> None:
    world.op.status[path] = 500
    answer = await browser.walk(APP + "/page")
    if answer.status == 302:
        answer = await browser.get(world.op.authorize(answer.location))
    assert answer.status == 503 and APP + "/page" in answer.links and REQUEST_ID in answer.body
    world.op.status.clear()
    assert (await browser.sign_in(APP + "/page")).status == 200


@ensureDeferred
async def test_a_store_that_is_down_gives_503(world: World, browser: Browser) -> None:
    good = world.op.authorize(await browser.to_provider(APP + "/"))
    await world.store.stop()
    answer = await browser.get(good)
    assert answer.status == 503 and not answer.set_cookies


@ensureDeferred
async def test_an_account_that_cannot_be_stored_is_told_so(world: World, browser: Browser) -> None:
    world.op.claims = lambda claims: {**claims, "oid": "x" * 600}
    answer = await browser.sign_in(APP + "/page")
    assert answer.status == 400 and APP + "/page" in answer.links


@ensureDeferred
async def test_head_does_not_spend_what_works_once(world: World, browser: Browser) -> None:
    good = world.op.authorize(await browser.to_provider(APP + "/"))
    answer = await browser._send("HEAD", good, {}, {})
    assert answer.status == 405
    assert (await browser.get(good)).status == 302


# --- the hand-over to a route host


async def hand_over(world: World, browser: Browser, subject: str = "alice") -> str:
    callback = world.op.authorize(await browser.to_provider(APP + "/page"), subject)
    return (await browser.get(callback)).location


@ensureDeferred
async def test_a_hand_over_is_only_taken_by_the_browser_that_began(world: World, browser: Browser) -> None:
    attackers = await hand_over(world, browser, "mallory")
    victim = Browser(world)
    answer = await victim.get(attackers)
    assert answer.status == 400 and not answer.set_cookies
    await victim.get(APP + "/")
    assert (await victim.get(attackers)).status == 400


@ensureDeferred
async def test_a_hand_over_works_once(world: World, browser: Browser) -> None:
    url = await hand_over(world, browser)
    before = dict(browser.jar)
    assert (await browser.get(url)).location == APP + "/page"
    answer = await Browser(world, before).get(url)
    assert answer.status == 400 and "already used" in answer.body and not answer.set_cookies


@ensureDeferred
async def test_a_hand_over_is_good_for_its_host_flow_and_time_alone(world: World, browser: Browser) -> None:
    url = await hand_over(world, browser)
    query = {
        name: value
        for name, value in query_of(url).items()
        if not name.endswith(("issued", "expiry", "signature"))
    }
    sign = world.conversation.urls.sign
    await browser.get(OTHER + "/")
    elsewhere = {**query, "pomerium_redirect_uri": OTHER + "/"}
    assert (await browser.get(sign(OTHER + "/.pomerium/callback/", elsewhere))).status == 400
    for host in (OTHER, "https://app.example.com:444", "https://sub.app.example.com"):
        astray = {**query, "pomerium_redirect_uri": host + "/"}
        assert (await browser.get(sign(APP + "/.pomerium/callback/", astray))).status == 400
    link = (await browser.get(APP + "/")).location
    other_flow = {**query, "pomerium_flow": query_of(link)["pomerium_flow"]}
    assert (await browser.get(sign(APP + "/.pomerium/callback/", other_flow))).status == 400
    for missing in query:
        rest = {name: value for name, value in query.items() if name != missing}
        assert (await browser.get(sign(APP + "/.pomerium/callback/", rest))).status == 400
    world.clock.advance(361)
    answer = await browser.get(url)
    assert answer.status == 400 and APP + "/page" in answer.links


@ensureDeferred
async def test_a_handle_sealed_for_a_host_must_be_for_that_host(world: World, browser: Browser) -> None:
    c = world.conversation
    flow_id = query_of((await browser.get(APP + "/")).location)["pomerium_flow"]
    for audience in (("other.example.com",), ("app.example.com", "other.example.com"), ()):
        handle = c.codec.encode(SessionHandle("id", "alice", audience, world.idp_id, NOW, 0))
        sealed = c.keys.hand_over.seal(handle.encode(), b"hand-over", b"app.example.com", flow_id.encode())
        parameters = {
            "pomerium_session_encrypted": sealed,
            "pomerium_redirect_uri": APP + "/",
            "pomerium_flow": flow_id,
        }
        answer = await browser.get(c.urls.sign(APP + "/.pomerium/callback/", parameters))
        assert answer.status == 400 and not answer.set_cookies


@ensureDeferred
async def test_the_browser_moves_on_when_the_session_has_arrived_here(world: World, browser: Browser) -> None:
    c = world.conversation
    flow_id = query_of((await browser.get(APP + "/")).location)["pomerium_flow"]
    session = Session("s1", "alice", world.idp_id, NOW, NOW + 60, version=world.mirror.version + 1)
    visit = Deferred.fromCoroutine(browser.get(HandOver(session, APP + "/", flow_id).step(c)[0]))
    assert not visit.called
    facts = {"user_id": "alice", "idp_id": world.idp_id, "issued_at": NOW, "expires_at": NOW + 60}
    await world.store.put([Record.new(SESSION, "s1", facts)])
    assert (await visit).location == APP + "/"
    assert (await browser.get(APP + "/")).status == 200


@ensureDeferred
async def test_a_blank_provider_in_a_handle_is_not_handed_over_for_any(
    world: World, browser: Browser
) -> None:
    facts = {"user_id": "alice", "idp_id": "", "issued_at": NOW, "expires_at": NOW + 60}
    written = await world.store.put([Record.new(SESSION, "s1", facts)])
    await world.mirror.wait_for(written.record_version)
    handle = world.conversation.codec.encode(SessionHandle("s1", "alice", ("auth.example.com",), "", NOW, 0))
    browser.jar[("auth.example.com", "/", "__Host-_pomerium_authenticate")] = handle
    assert (await browser.to_provider(APP + "/")).startswith(world.op.issuer)


@ensureDeferred
async def test_a_slow_sign_in_still_finds_the_route_hosts_half(world: World, browser: Browser) -> None:
    address = await browser.to_provider(APP + "/page")
    world.clock.advance(299)
    url = (await browser.get(world.op.authorize(address))).location
    world.clock.advance(5)
    assert (await browser.get(url)).location == APP + "/page"


@ensureDeferred
async def test_the_handle_does_not_travel_readable(world: World, browser: Browser) -> None:
    url = await hand_over(world, browser)
    [session_id] = world.session_ids()
    await browser.get(url)
    handle = browser.cookie("app.example.com", "__Host-_pomerium")
    assert handle is not None and handle not in url and session_id not in url and "alice" not in url


# --- what is said and what is not


@ensureDeferred
async def test_no_token_code_or_secret_reaches_log_or_page(world: World, browser: Browser) -> None:
    events: list[str] = []

    def observe(event: object) -> None:
        events.append(repr(event))

    globalLogPublisher.addObserver(observe)
    try:
        callback = world.op.authorize(await browser.to_provider(APP + "/?private=1"))
        secrets = [query_of(callback)["code"], query_of(callback)["state"], *browser.jar.values()]
        pages = [await browser.get(callback + "x")]
        pages.append(await browser.walk(callback))
        world.op.status["/token"] = 400
        browser.jar.clear()
        pages.append(await browser.sign_in(APP + "/?private=1"))
        secrets += [*world.op.access_tokens, *world.op.refresh_tokens, *browser.jar.values()]
    finally:
        globalLogPublisher.removeObserver(observe)
    text = "\n".join(itertools.chain(events, (page.body for page in pages)))
    assert "alice" in text, "somebody did sign in while we listened"
    assert REQUEST_ID in "\n".join(events)
    for secret in secrets:
        assert secret not in text
    assert "private" not in "\n".join(events)


@ensureDeferred
@pytest.mark.parametrize("place", ["https://evil.com/", "https://app.example.com:9999/"])
async def test_no_session_leaves_for_a_place_that_is_not_ours(
    world: World, browser: Browser, place: str
) -> None:
    """Not even by a link that we signed: a Host header may have made us sign it."""
    await browser.sign_in(APP + "/")
    parameters = {
        "pomerium_redirect_uri": place,
        "pomerium_idp_id": world.idp_id,
        "pomerium_flow": "A" * 22,
    }
    answer = await browser.get(world.conversation.urls.sign(AUTH + "/.pomerium/sign_in", parameters))
    assert answer.status == 400
    assert answer.headers.getRawHeaders("location") is None and not answer.set_cookies


@ensureDeferred
async def test_nobody_is_sent_to_sign_in_from_a_port_that_is_not_ours(world: World, browser: Browser) -> None:
    answer = await browser.get("https://app.example.com:9999/")
    assert answer.status == 400 and not answer.set_cookies
    assert "https://app.example.com/" in answer.body
