"""Sessions that a whole domain shares, hosts that no session is sent to, and browsers that keep none."""

from __future__ import annotations

import pytest
from pytest_twisted import ensureDeferred

from pomerium_tw.authenticate.hand_over import HandOver
from pomerium_tw.authenticate.rounds import MAX_ROUNDS
from pomerium_tw.model import Session
from pomerium_tw.session import ROUND_SECONDS, CookieSettings

from .test_sign_in import query_of, with_query
from .world import APP, AUTH, NOW, OTHER, Browser, World

FOREIGN = "https://app.foreign.test"
SIGN_OUT = "/.pomerium/sign_out"


@pytest.fixture
def shared(world: World) -> World:
    """example.com shares one cookie; a route stands outside of it."""
    world.cookies = CookieSettings(domain="example.com")
    world.routes = (("*.example.com", None), ("*.example.com", 8443), ("app.foreign.test", None))
    world.rebuild()
    return world


# --- within the domain


@ensureDeferred
async def test_the_authenticate_host_sets_the_cookie_of_the_domain_itself(
    shared: World, browser: Browser
) -> None:
    first = await browser.get(APP + "/page")
    assert not first.set_cookies and "pomerium_flow" not in query_of(first.location)
    begun = await browser.get(first.location)
    arrived = await browser.get(shared.op.authorize(begun.location))
    assert arrived.location == APP + "/page", "no address in between, so no session in one"
    assert (await browser.get(APP + "/page")).body.startswith("alice")
    assert (await browser.get(OTHER + "/")).body.startswith("alice"), "and every host of the domain has it"
    assert not any(name.startswith("__Host-_pomerium") for host, _, name in browser.jar if host != AUTH[8:])


@ensureDeferred
async def test_a_host_of_the_domain_gets_the_session_that_there_is(shared: World, browser: Browser) -> None:
    await browser.sign_in(APP + "/")
    del browser.jar[(".example.com", "/", "_pomerium")]
    assert (await browser.walk(APP + "/again")).body.startswith("alice")
    assert shared.op.count("/token") == 1


@pytest.mark.parametrize("link_of", ["now", "an older version"])
@ensureDeferred
async def test_a_link_that_another_began_gives_nobody_but_the_visitor_anything(
    shared: World, browser: Browser, link_of: str
) -> None:
    """Whoever owns one host of the domain sees the addresses that its visitors are sent to."""
    mallory = Browser(shared)
    evil = "https://evil.example.com/"
    link = (await mallory.get(evil)).location
    if link_of != "now":
        parameters = {**query_of(link), "pomerium_flow": "A" * 22}
        for name in ("issued", "expiry", "signature"):
            del parameters[f"pomerium_{name}"]
        link = shared.conversation.urls.sign(AUTH + "/.pomerium/sign_in", parameters)
    await browser.sign_in(APP + "/", "alice")
    step = await browser.get(link)
    assert step.location == evil
    assert (await browser.get(step.location)).body.startswith("alice")
    await mallory.get(step.location)
    assert (await mallory.get(APP + "/")).status == 302


@ensureDeferred
async def test_a_handed_over_session_of_the_domain_is_not_taken(world: World, browser: Browser) -> None:
    """As one made before the domain was set, or by a version that handed those over."""
    flow_id = query_of((await browser.get(APP + "/")).location)["pomerium_flow"]
    session = Session("s1", "alice", world.idp_id, NOW, NOW + 60)
    url, _cookies = HandOver(session, APP + "/", flow_id).step(world.conversation)
    world.cookies = CookieSettings(domain="example.com")
    world.rebuild()
    answer = await browser.get(url)
    assert answer.status == 400 and not answer.set_cookies and APP + "/" in answer.links


@ensureDeferred
async def test_a_sign_in_that_another_began_at_the_provider_signs_nobody_in(
    shared: World, browser: Browser
) -> None:
    mallorys = shared.op.authorize(await Browser(shared).to_provider(APP + "/"), "mallory")
    answer = await browser.get(mallorys)
    assert answer.status == 400 and not answer.set_cookies


@ensureDeferred
async def test_signing_out_at_a_host_clears_the_cookie_of_the_domain(shared: World, browser: Browser) -> None:
    await browser.sign_in(APP + "/")
    await browser.walk(OTHER + SIGN_OUT, sec_fetch_site="same-origin")
    assert not browser.jar and not shared.session_ids()


# --- outside of the domain


@ensureDeferred
async def test_a_host_outside_of_the_domain_has_a_cookie_of_its_own(shared: World, browser: Browser) -> None:
    assert (await browser.sign_in(FOREIGN + "/page")).body.startswith("alice")
    handle = browser.cookie("app.foreign.test", "__Host-_pomerium")
    assert handle and browser.cookie(".example.com", "_pomerium") is None
    thief = Browser(shared, {(".example.com", "/", "_pomerium"): handle})
    assert (await thief.get(APP + "/")).status == 302, "it is good there alone"
    await browser.walk(FOREIGN + SIGN_OUT, sec_fetch_site="same-origin")
    assert not browser.jar


@ensureDeferred
async def test_a_domain_without_the_authenticate_host_counts_nowhere(world: World, browser: Browser) -> None:
    world.cookies = CookieSettings(domain="foreign.test")
    world.routes = (("*.foreign.test", None),)
    world.rebuild()
    assert (await browser.sign_in(FOREIGN + "/page")).body.startswith("alice")
    assert browser.cookie("app.foreign.test", "__Host-_pomerium")


# --- hosts of anybody


@pytest.mark.parametrize("star", ["*", "*.com", "*elsewhere.com", "blog.*"])
@ensureDeferred
async def test_no_session_is_sent_to_hosts_that_anybody_may_own(
    world: World, browser: Browser, star: str
) -> None:
    world.routes = (("app.example.com", None), (star, None))
    world.rebuild()
    blog = "https://blog.elsewhere.com/"
    answer = await Browser(world).get(blog)
    assert answer.status == 400 and not answer.set_cookies
    assert "blog.elsewhere.com" in answer.body and "hosts of any owner" in answer.body
    assert "has to name this host" in answer.body
    await browser.sign_in(APP + "/")
    parameters = {
        "pomerium_redirect_uri": blog,
        "pomerium_idp_id": world.idp_id,
        "pomerium_flow": "A" * 22,
    }
    answer = await browser.get(world.conversation.urls.sign(AUTH + "/.pomerium/sign_in", parameters))
    assert answer.status == 400 and answer.headers.getRawHeaders("location") is None


@ensureDeferred
async def test_hosts_of_the_cookies_domain_are_nobody_elses(world: World, browser: Browser) -> None:
    world.cookies = CookieSettings(domain="example.com")
    world.routes = (("*", None),)
    world.rebuild()
    assert (await browser.sign_in(APP + "/")).body.startswith("alice")
    assert (await browser.get("https://blog.elsewhere.com/")).status == 400


# --- browsers that do not keep what they are given


async def go_round(world: World, browser: Browser, url: str) -> tuple[int, str]:
    """How often the browser came back to ``url``, and the page that it saw in the end."""
    rounds, step = 0, url
    for _ in range(30):
        world.clock.advance(0.05)
        answer = await browser.get(step)
        if answer.status != 302:
            return rounds, answer.body
        step = answer.location
        if step.startswith(world.op.issuer):
            step = world.op.authorize(step)
        rounds += step == url
    raise AssertionError("a redirect loop")


@pytest.mark.parametrize(
    ("domain", "refused"), [("", "__Host-_pomerium"), ("example.com", "_pomerium")], ids=["host", "domain"]
)
@pytest.mark.parametrize("keeps_others", [True, False])
@ensureDeferred
async def test_after_three_rounds_a_page_says_so(
    world: World, domain: str, refused: str, keeps_others: bool
) -> None:
    world.cookies = CookieSettings(domain=domain)
    world.rebuild()
    browser = Browser(world, refused=refused)
    if not keeps_others:  # the provider knows its visitor, and each round makes a session
        browser = Browser(world, refused=refused, also_refused="__Host-_pomerium_authenticate")
    rounds, page = await go_round(world, browser, APP + "/page")
    assert rounds == MAX_ROUNDS == 3
    assert "does not keep the sign-in" in page and f'href="{APP}/page"' in page
    browser.refused = browser.also_refused = ""
    assert (await go_round(world, browser, APP + "/page"))[1].startswith("alice"), "and it begins anew"


@ensureDeferred
async def test_rounds_are_those_of_one_page_within_a_minute(world: World) -> None:
    browser = Browser(world, refused="__Host-_pomerium")
    await browser.get(world.op.authorize(await browser.to_provider(APP + "/0")))
    world.clock.advance(ROUND_SECONDS + 1)
    for number in range(3 * MAX_ROUNDS):
        assert (await browser.get((await browser.get(f"{APP}/{number}")).location)).status == 302
    for _ in range(2 * MAX_ROUNDS):
        world.clock.advance(ROUND_SECONDS + 1)
        assert (await browser.get((await browser.get(APP + "/0")).location)).status == 302


@pytest.mark.parametrize("domain", ["", "example.com"])
@ensureDeferred
async def test_many_tabs_of_one_page_come_back_at_once(world: World, browser: Browser, domain: str) -> None:
    """Each was sent off before the first had its session: none of them comes back without one."""
    world.cookies = CookieSettings(domain=domain)
    world.rebuild()
    waiting = [world.op.authorize(await browser.to_provider(APP + "/")) for _ in range(3 * MAX_ROUNDS)]
    for back in waiting:
        world.clock.advance(5)
        assert (await browser.walk(back)).body.startswith("alice")


@ensureDeferred
async def test_many_tabs_of_one_page_are_handed_the_session_at_once(world: World, browser: Browser) -> None:
    await browser.sign_in("https://b.example.com/")
    world.clock.advance(0.1)
    links = [(await browser.get(APP + "/")).location for _ in range(3 * MAX_ROUNDS)]
    for link in links:
        world.clock.advance(0.1)
        assert (await browser.walk(link)).body.startswith("alice")


@ensureDeferred
async def test_a_callback_that_is_refused_for_its_rounds_spends_nothing(world: World) -> None:
    browser = Browser(world, refused="__Host-_pomerium", also_refused="__Host-_pomerium_authenticate")
    for _ in range(MAX_ROUNDS):
        world.clock.advance(1)
        back = world.op.authorize(await browser.to_provider(APP + "/"))
        assert (await browser.get(back)).status == 302
    world.clock.advance(1)
    back = world.op.authorize(await browser.to_provider(APP + "/"))
    assert (await browser.get(back)).status == 400
    assert world.op.count("/token") == MAX_ROUNDS == len(world.session_ids())
    assert (await browser.get(back)).status == 302, "the same answer is still good"


@ensureDeferred
async def test_a_count_that_a_sibling_host_plants_is_not_read(world: World, browser: Browser) -> None:
    mallory = Browser(world, refused="__Host-_pomerium")
    await go_round(world, mallory, APP + "/1")
    for (_host, _path, name), value in mallory.jar.items():
        browser.jar[(".example.com", "/", name.removeprefix("__Host-"))] = value
    for _ in range(MAX_ROUNDS):
        browser.jar.pop(("app.example.com", "/", "__Host-_pomerium"), None)
        world.clock.advance(1)
        at = await browser.walk(APP + "/1")
        answer = await browser.walk(world.op.authorize(at.location)) if at.status == 302 else at
        assert answer.status == 200


@ensureDeferred
async def test_a_link_of_a_proxy_that_says_no_time_is_counted(world: World, browser: Browser) -> None:
    await browser.sign_in("https://b.example.com/")
    parameters = {"pomerium_redirect_uri": APP + "/", "pomerium_idp_id": world.idp_id}
    link = world.conversation.urls.sign(
        AUTH + "/.pomerium/sign_in", {**parameters, "pomerium_flow": "A" * 22}
    )
    statuses = []
    for _ in range(MAX_ROUNDS + 1):
        world.clock.advance(1)
        statuses.append((await browser.get(link)).status)
    assert statuses == [302] * MAX_ROUNDS + [400]


@ensureDeferred
async def test_pages_that_name_a_code_or_session_tell_no_other_their_address(
    world: World, browser: Browser
) -> None:
    good = world.op.authorize(await browser.to_provider(APP + "/"))
    handed = (await browser.get(good)).location
    stranger = Browser(world)
    for url in (good, handed, with_query(handed, pomerium_signature="x"), AUTH + "/.pomerium/sign_in"):
        answer = await stranger.get(url)
        assert answer.status == 400
        assert answer.headers.getRawHeaders("referrer-policy") == ["no-referrer"]
    programs = await stranger.get((await stranger.get(APP + "/")).location, accept="text/plain")
    assert programs.status == 401
    assert programs.headers.getRawHeaders("referrer-policy") == ["no-referrer"]


@ensureDeferred
async def test_rounds_are_counted_where_the_provider_answers_by_post(world: World, browser: Browser) -> None:
    """Its page is another site's: of cookies that come from there, only such do that say so."""
    world.idp_id, provider = world.build_provider(request_params={"response_mode": "form_post"})
    world.providers[world.idp_id] = provider
    good = world.op.authorize(await browser.to_provider(APP + "/"))
    answer = await browser.post(AUTH + "/oauth2/callback", query_of(good), origin=world.op.issuer)
    [counted] = [
        cookie for cookie in answer.set_cookies if cookie.startswith("__Host-_pomerium_flow_rounds=")
    ]
    assert "; SameSite=None" in counted
    assert answer.headers.getRawHeaders("referrer-policy") == ["no-referrer"]
