"""Signing out: everywhere, at the visitor's own wish only, and whatever the provider does."""

from __future__ import annotations

import re
from itertools import permutations
from urllib.parse import parse_qs, urlsplit

import pytest
from pytest_twisted import ensureDeferred
from twisted.internet.defer import Deferred

from pomerium_tw.authenticate.sessions import REVOKE_SECONDS
from pomerium_tw.databroker import SESSION, RecordNotFound
from pomerium_tw.identity import Tokens
from pomerium_tw.model import Secret
from pomerium_tw.token import SignedURLs

from .world import APP, AUTH, NOW, OTHER, Browser, World

SIGN_OUT = "/.pomerium/sign_out"
OWN = {"sec-fetch-site": "same-origin"}
TYPED = {"sec-fetch-site": "none"}
TABS = ("a.example.com", "b.example.com")


def query_of(url: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}


@pytest.mark.parametrize("own", [OWN, TYPED], ids=["link", "typed"])
@ensureDeferred
async def test_signing_out_ends_the_session_on_every_host_and_at_the_provider(
    world: World, browser: Browser, own: dict[str, str]
) -> None:
    await browser.sign_in(APP + "/")
    await browser.walk(OTHER + "/")
    kept = dict(browser.jar)
    [session_id] = world.session_ids()
    answer = await browser.walk(APP + SIGN_OUT, **own)
    assert answer.status == 302 and answer.location.startswith(world.op.issuer + "/end_session?")
    leaving = query_of(answer.location)
    assert leaving["post_logout_redirect_uri"] == AUTH + "/.pomerium/signed_out"
    assert leaving["id_token_hint"].count(".") == 2
    assert not world.op.access_tokens and not world.op.refresh_tokens
    assert world.session_ids() == []
    with pytest.raises(RecordNotFound):
        await world.store.get(SESSION, session_id)
    assert sorted(host for host, _, _ in browser.jar) == ["other.example.com"]
    for page in (APP, OTHER):
        back = await Browser(world, dict(kept)).to_provider(page + "/")
        assert back.startswith(world.op.issuer + "/authorize"), "the cookies kept are worth nothing"


@ensureDeferred
async def test_the_record_of_an_ended_session_keeps_its_data(world: World, browser: Browser) -> None:
    await browser.sign_in(APP + "/")
    news = []
    world.mirror.on_change(news.append)
    world.clock.advance(7)
    await browser.walk(APP + SIGN_OUT, **OWN)
    [deletion] = news
    assert deletion.deleted_at == NOW + 7 and deletion.data["user_id"] == "alice"


@pytest.mark.parametrize("site", ["cross-site", "same-site", ""])
@pytest.mark.parametrize("host", [APP, AUTH])
@ensureDeferred
async def test_a_link_from_elsewhere_only_asks(world: World, browser: Browser, site: str, host: str) -> None:
    await browser.sign_in(APP + "/")
    answer = await browser.get(host + SIGN_OUT, **{"sec-fetch-site": site})
    assert answer.status == 200 and 'method="post"' in answer.body and "alice@example.com" in answer.body
    assert not answer.set_cookies and len(world.session_ids()) == 1
    assert (await browser.get(APP + "/")).status == 200


@ensureDeferred
async def test_an_image_on_an_own_page_only_asks(world: World, browser: Browser) -> None:
    await browser.sign_in(APP + "/")
    image = {"sec-fetch-mode": "no-cors", "sec-fetch-dest": "image"}
    assert not (await browser.get(APP + SIGN_OUT, **OWN, **image)).set_cookies
    frame = {"sec-fetch-dest": "iframe"}
    assert not (await browser.get(APP + SIGN_OUT, **OWN, **frame)).set_cookies
    assert len(world.session_ids()) == 1


@pytest.mark.parametrize(
    "header",
    [
        {"sec-purpose": "prefetch"},
        {"sec-purpose": "prefetch;prerender"},
        {"purpose": "prefetch"},
        {"x-moz": "prefetch"},
        {"x-purpose": "preview"},
    ],
    ids=lambda header: "=".join(*header.items()),
)
@ensureDeferred
async def test_what_a_browser_fetches_beforehand_only_asks(
    world: World, browser: Browser, header: dict[str, str]
) -> None:
    await browser.sign_in(APP + "/")
    for host in (APP, AUTH):
        answer = await browser.get(host + SIGN_OUT, **TYPED, **header)
        assert answer.status == 200 and 'method="post"' in answer.body and not answer.set_cookies
    link = (await browser.get(APP + SIGN_OUT, **OWN)).location
    assert (await browser.get(link, **header)).status == 200
    assert len(world.session_ids()) == 1
    assert (await browser.get(link)).location.startswith(world.op.issuer) and world.session_ids() == []


async def two_tabs_at_once(world: World, browser: Browser) -> None:
    """Both come back from the provider before either has its answer; that of ``b`` arrives last."""
    callbacks = [world.op.authorize(await browser.to_provider(f"https://{host}/")) for host in TABS]
    tabs = [Browser(world, dict(browser.jar)) for _ in TABS]
    answers = [await tab.get(url) for tab, url in zip(tabs, callbacks, strict=True)]
    for tab in tabs:
        browser.jar.update(tab.jar)
    for answer, host in zip(answers, TABS, strict=True):
        assert (await browser.walk(answer.location)).body == f"alice@example.com at https://{host}/"


@pytest.mark.parametrize("host", TABS)
@ensureDeferred
async def test_signing_out_ends_what_two_tabs_began_at_once(
    world: World, browser: Browser, host: str
) -> None:
    await two_tabs_at_once(world, browser)
    kept = dict(browser.jar)
    answer = await browser.walk(f"https://{host}{SIGN_OUT}", **OWN)
    assert answer.location.startswith(world.op.issuer) and world.session_ids() == []
    for page in TABS:
        assert (await Browser(world, dict(kept)).get(f"https://{page}/")).status == 302


@ensureDeferred
async def test_tabs_of_other_browsers_keep_their_sessions(world: World, browser: Browser) -> None:
    other = Browser(world)
    await other.sign_in(APP + "/")
    await two_tabs_at_once(world, browser)
    await browser.walk(f"https://{TABS[0]}{SIGN_OUT}", **OWN)
    assert len(world.session_ids()) == 1 and (await other.get(APP + "/")).status == 200


@pytest.mark.parametrize("host", range(3))
@pytest.mark.parametrize("order", list(permutations(range(3))), ids=str)
@ensureDeferred
async def test_whatever_order_the_answers_arrive_in_one_sign_out_ends_all(
    world: World, browser: Browser, order: tuple[int, ...], host: int
) -> None:
    hosts = [f"https://t{number}.example.com" for number in range(3)]
    callbacks = [world.op.authorize(await browser.to_provider(each + "/")) for each in hosts]
    tabs = [Browser(world, dict(browser.jar)) for _ in hosts]
    answers = [await tab.get(url) for tab, url in zip(tabs, callbacks, strict=True)]
    for number in order:
        browser.jar.update(tabs[number].jar)
    for number in order:
        assert (await browser.walk(answers[number].location)).status == 200
    kept = dict(browser.jar)
    answer = await browser.walk(hosts[host] + SIGN_OUT, **OWN)
    assert answer.location.startswith(world.op.issuer) and world.session_ids() == []
    assert not world.op.access_tokens, "the provider forgets all of them"
    for each in hosts:
        assert (await Browser(world, dict(kept)).get(each + "/")).status == 302


@ensureDeferred
async def test_the_session_of_a_tab_whose_answer_came_late_is_signed_out_of_without_a_question(
    world: World, browser: Browser
) -> None:
    """The first of two sign-ins answers last: its session knows nothing of the second."""
    first = world.op.authorize(await browser.to_provider(f"https://{TABS[0]}/"))
    late = Browser(world, dict(browser.jar))
    late_answer = await late.get(first)
    second = world.op.authorize(await browser.to_provider(f"https://{TABS[1]}/"))
    await browser.walk(second)
    browser.jar.update(late.jar)
    assert (await browser.walk(late_answer.location)).status == 200
    answer = await browser.walk(f"https://{TABS[1]}{SIGN_OUT}", **OWN)
    assert answer.location.startswith(world.op.issuer) and world.session_ids() == []


@ensureDeferred
async def test_a_provider_that_says_nothing_holds_up_the_end_of_many_sessions_no_longer_than_of_one(
    world: World, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting = [world.op.authorize(await browser.to_provider(f"{APP}/{tab}")) for tab in range(4)]
    for back in waiting:
        await browser.walk(back)
    assert len(world.session_ids()) == 4
    [provider] = world.providers.values()
    asked: list[Deferred[None]] = []

    def revoke(tokens: Tokens) -> Deferred[None]:
        asked.append(Deferred())
        return asked[-1]

    monkeypatch.setattr(provider, "revoke", revoke)
    going = Deferred.fromCoroutine(browser.walk(APP + SIGN_OUT, **OWN))
    assert len(asked) == 4 and world.session_ids() == [] and not going.called
    world.clock.advance(REVOKE_SECONDS)
    assert (await going).location.startswith(world.op.issuer)


@ensureDeferred
async def test_the_question_is_answered_by_a_form_of_the_same_host(world: World, browser: Browser) -> None:
    await browser.sign_in(APP + "/")
    strangers = (
        {"sec-fetch-site": "cross-site", "origin": APP},
        {"sec-fetch-site": "same-site"},
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {},
    )
    for host in (APP, AUTH):
        for headers in strangers:
            assert (await browser.post(host + SIGN_OUT, **headers)).status == 400
    assert len(world.session_ids()) == 1
    answer = await browser.post(APP + SIGN_OUT, origin=APP, **OWN)
    assert answer.status == 200, "no redirect: form-action would stop it"
    onwards = (answer.headers.getRawHeaders("refresh") or [""])[0].partition("url=")[2]
    assert onwards.startswith(AUTH + SIGN_OUT)
    answer = await browser.get(onwards, **{"sec-fetch-site": "same-site"})
    assert answer.location.startswith(world.op.issuer) and world.session_ids() == []


@ensureDeferred
async def test_the_form_works_without_fetch_metadata_and_on_the_authenticate_host(
    world: World, browser: Browser
) -> None:
    await browser.sign_in(APP + "/")
    answer = await browser.post(AUTH + SIGN_OUT, origin=AUTH)
    assert answer.status == 200 and world.session_ids() == []
    onwards = (answer.headers.getRawHeaders("refresh") or [""])[0].partition("url=")[2]
    assert onwards.startswith(world.op.issuer + "/end_session")


@ensureDeferred
async def test_a_link_made_for_another_session_does_not_end_the_visitors(
    world: World, browser: Browser
) -> None:
    attacker = Browser(world)
    await attacker.sign_in(APP + "/", "mallory")
    link = (await attacker.get(APP + SIGN_OUT, **OWN)).location
    await browser.sign_in(APP + "/")
    answer = await browser.get(link)
    assert answer.status == 200 and "alice@example.com" in answer.body and not answer.set_cookies
    bare = world.conversation.urls.sign(AUTH + SIGN_OUT, {})
    assert (await browser.get(bare)).status == 200
    assert len(world.session_ids()) == 2


@ensureDeferred
async def test_a_yes_ends_the_session_that_the_link_names_too(world: World, browser: Browser) -> None:
    await browser.sign_in(APP + "/")
    older = browser.jar.pop(("auth.example.com", "/", "__Host-_pomerium_authenticate"))
    await browser.sign_in("https://other.example.com/")
    assert len(world.session_ids()) == 2 and older
    asked = await browser.walk(APP + SIGN_OUT, **OWN)
    assert asked.status == 200 and asked.url.startswith(AUTH) and len(world.session_ids()) == 2
    form = dict(re.findall(r'type="hidden" name="([^"]+)" value="([^"]+)"', asked.body))
    done = await browser.post(AUTH + SIGN_OUT, form, **OWN)
    assert done.status == 200 and world.session_ids() == []
    assert not world.op.access_tokens, "the provider forgets both"


@ensureDeferred
async def test_a_form_cannot_name_a_session_in_words_of_its_own(world: World, browser: Browser) -> None:
    await Browser(world).sign_in(APP + "/")
    [session_id] = world.session_ids()
    for name in (session_id, "x", ""):
        await browser.post(AUTH + SIGN_OUT, {"pomerium_sign_out_session": name}, **OWN)
    assert world.session_ids() == [session_id]


@ensureDeferred
async def test_a_route_host_signs_out_of_a_session_whose_other_cookie_is_lost(
    world: World, browser: Browser
) -> None:
    await browser.sign_in(APP + "/")
    browser.jar.pop(("auth.example.com", "/", "__Host-_pomerium_authenticate"))
    await browser.walk(APP + SIGN_OUT, **OWN)
    assert world.session_ids() == []


@ensureDeferred
async def test_someone_who_is_not_signed_in_is_just_told_so(world: World, browser: Browser) -> None:
    answer = await browser.walk(APP + SIGN_OUT, **OWN)
    assert (
        answer.status == 200 and "signed out" in answer.body and answer.url == AUTH + "/.pomerium/signed_out"
    )


@ensureDeferred
async def test_a_configured_address_is_where_it_ends(world: World, browser: Browser) -> None:
    world.signout_redirect_url = "https://www.example.com/bye?x=1"
    world.rebuild()
    await browser.sign_in(APP + "/")
    answer = await browser.walk(APP + SIGN_OUT, **OWN)
    assert query_of(answer.location)["post_logout_redirect_uri"] == "https://www.example.com/bye?x=1"
    await browser.sign_in(APP + "/")
    world.op.metadata = lambda document: {**document, "end_session_endpoint": None}
    world.providers[world.idp_id] = world.build_provider()[1]
    step = await browser.get(APP + SIGN_OUT, **OWN)
    assert (await browser.get(step.location)).location == "https://www.example.com/bye?x=1"


@ensureDeferred
async def test_an_address_from_the_request_is_not_followed(world: World, browser: Browser) -> None:
    await browser.sign_in(APP + "/")
    evil = "?pomerium_redirect_uri=https%3A%2F%2Fevil.example%2F"
    assert (await browser.get(AUTH + SIGN_OUT + evil, **OWN)).status == 400
    answer = await browser.get(APP + SIGN_OUT + evil, **OWN)
    assert "evil" not in answer.location
    for uri in ("javascript:alert(1)", "https://a@b/", "//evil.example", "/\\evil.example"):
        link = world.conversation.urls.sign(AUTH + SIGN_OUT, {"pomerium_redirect_uri": uri})
        assert (await browser.get(link)).status == 400
    stranger = SignedURLs(Secret(b"x" * 32), world.clock.seconds)
    assert (await browser.get(stranger.sign(AUTH + SIGN_OUT, {}))).status == 400
    assert len(world.session_ids()) == 1


@ensureDeferred
async def test_an_old_link_only_asks(world: World, browser: Browser) -> None:
    await browser.sign_in(APP + "/")
    link = (await browser.get(APP + SIGN_OUT, **OWN)).location
    world.clock.advance(361)
    answer = await browser.get(link, **{"sec-fetch-site": "cross-site"})
    assert answer.status == 200 and 'method="post"' in answer.body and len(world.session_ids()) == 1


@ensureDeferred
async def test_a_provider_that_is_down_does_not_keep_anybody_signed_in(
    world: World, browser: Browser
) -> None:
    await browser.sign_in(APP + "/")
    world.op.status["/revoke"] = 500
    answer = await browser.walk(APP + SIGN_OUT, **OWN)
    assert answer.location.startswith(world.op.issuer) and world.session_ids() == []
    await browser.sign_in(APP + "/")
    world.providers[world.idp_id] = world.build_provider()[1]
    world.op.status["/.well-known/openid-configuration"] = 500
    answer = await browser.walk(APP + SIGN_OUT, **OWN)
    assert answer.status == 200 and "signed out" in answer.body and world.session_ids() == []


@ensureDeferred
async def test_a_provider_that_is_gone_from_the_settings_is_no_obstacle(
    world: World, browser: Browser
) -> None:
    await browser.sign_in(APP + "/")
    world.providers.clear()
    answer = await browser.walk(APP + SIGN_OUT, **OWN)
    assert answer.status == 200 and world.session_ids() == []


@ensureDeferred
async def test_a_store_that_is_down_is_said_to_be_and_the_session_is_not_forgotten(
    world: World, browser: Browser
) -> None:
    await browser.sign_in(APP + "/")
    await world.store.stop()
    answer = await browser.walk(APP + SIGN_OUT, **OWN)
    assert answer.status == 503
    assert browser.cookie("auth.example.com", "__Host-_pomerium_authenticate")


@ensureDeferred
async def test_the_small_pages_of_the_authenticate_host(world: World, browser: Browser) -> None:
    assert (await browser.get(AUTH + "/")).location == "/.pomerium/"
    assert "Disallow: /" in (await browser.get(AUTH + "/robots.txt")).body
    assert (await browser.get(AUTH + "/.pomerium/signed_out")).status == 200
    assert (await browser.get(AUTH + "/nothing")).status == 404
