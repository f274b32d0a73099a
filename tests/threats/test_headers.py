"""Rows HS of the threat table: what a client may say of itself, and what only we say."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from pytest_twisted import ensureDeferred

from tests.doors import OnLoopback


def get(*lines: bytes, host: bytes = b"a") -> bytes:
    return b"\r\n".join([b"GET /x HTTP/1.1", b"Host: " + host, *lines, b"", b""])


async def seen_by_upstream(place: OnLoopback, sent: bytes) -> bytes:
    caller = await place.call(sent)
    assert (await caller.answer()).status == 200
    return place.upstream.seen


def values(seen: bytes, name: bytes) -> list[bytes]:
    lines = [line.partition(b":") for line in seen.split(b"\r\n")]
    return [value.strip() for found, _, value in lines if found.lower() == name.lower()]


@pytest.mark.parametrize(
    "name", [b"X-Pomerium-Jwt-Assertion", b"X-Pomerium-Claim-Email", b"x-pomerium-authenticated-user-email"]
)
@ensureDeferred
async def test_hs_01_our_headers_are_removed_on_a_public_route(place: OnLoopback, name: bytes) -> None:
    assert b"forged" not in await seen_by_upstream(place, get(name + b": forged"))


@ensureDeferred
async def test_hs_02_in_every_case(place: OnLoopback) -> None:
    mixes = [bytes(mix) for mix in itertools.product(*zip(b"x-pome", b"X-POME", strict=True))]
    lines = [mix + b"rium-claim-email: forged" for mix in dict.fromkeys(mixes)]
    assert b"forged" not in await seen_by_upstream(place, get(*lines))


@pytest.mark.parametrize(
    "name", [b"X_Pomerium_Claim_Email", b"X.Pomerium.Claim.Email", b"X-Pomerium_Claim-Email"]
)
@pytest.mark.parametrize("action", ["reject_request", "drop_header", "allow"])
@ensureDeferred
async def test_hs_02_under_every_alias(opened: Any, name: bytes, action: str) -> None:
    place = opened(underscores=action)
    caller = await place.call(get(name + b": forged"))
    refused = b"_" in name and action == "reject_request"
    assert (await caller.answer()).status == (400 if refused else 200)
    assert b"forged" not in place.upstream.seen


@ensureDeferred
async def test_hs_03_a_configured_claim_header_is_there_once_and_ours(place: OnLoopback) -> None:
    cookie = b"Cookie: " + place.door.sign_in("members").encode()
    forged = (b"X-Email: forged", b"x.email: forged", b"X-EMAIL: forged")
    seen = await seen_by_upstream(place, get(cookie, *forged, host=b"members"))
    assert values(seen, b"x-email") == [b"ann@example.com"]
    assert b"forged" not in seen


@ensureDeferred
async def test_hs_04_a_missing_claim_sends_our_empty_header(place: OnLoopback) -> None:
    cookie = b"Cookie: " + place.door.sign_in("members").encode()
    seen = await seen_by_upstream(place, get(cookie, b"X-Team: forged", host=b"members"))
    assert values(seen, b"x-team") == [b""]


@ensureDeferred
async def test_hs_05_connection_cannot_take_our_headers_or_the_cookies_away(place: OnLoopback) -> None:
    cookie = b"Cookie: b=2; " + place.door.sign_in("members").encode()
    nominated = (
        b"Connection: close, X-Pomerium-Jwt-Assertion, cookie, x-forwarded-for, x-email, host, x-request-id"
    )
    seen = await seen_by_upstream(place, get(cookie, nominated, host=b"members"))
    for name in (
        b"X-Pomerium-Jwt-Assertion",
        b"Cookie",
        b"X-Forwarded-For",
        b"X-Email",
        b"Host",
        b"X-Request-Id",
    ):
        assert len(values(seen, name)) == 1, name
    assert values(seen, b"cookie") == [b"b=2"]
    assert values(seen, b"connection") == []


@ensureDeferred
async def test_hs_10_the_peer_replaces_what_a_client_claims(place: OnLoopback) -> None:
    seen = await seen_by_upstream(place, get(b"X-Forwarded-For: 1.2.3.4", b"X-Forwarded-For: 5.6.7.8"))
    assert values(seen, b"x-forwarded-for") == [b"127.0.0.1"]


SPOOFED = [
    *[
        (row, b"X-Forwarded-" + name)
        for row, name in itertools.product(
            ["HS-11"], [b"Proto", b"Host", b"Uri", b"Prefix", b"Method", b"Port", b"Server"]
        )
    ],
    *[
        ("HS-12", name)
        for name in (b"X-Original-URL", b"X-Rewrite-Url", b"X-Envoy-Original-Path", b"X-Envoy-Internal")
    ],
    ("HS-13", b"Forwarded"),
    *[
        ("HS-14", name)
        for name in (
            b"X-Forwarded-Client-Cert",
            b"X-SSL-Client-Cert",
            b"X-SSL-Client-Verify",
            b"X-Client-Cert",
        )
    ],
    ("HS-16", b"X-Pomerium-Authorization"),
    ("HS-19", b"Proxy"),
]


@pytest.mark.parametrize(
    ("row", "name"), [pytest.param(*each, id=f"{each[0]} {each[1].decode()}") for each in SPOOFED]
)
@ensureDeferred
async def test_claims_about_the_connection_stay_here(place: OnLoopback, row: str, name: bytes) -> None:
    seen = await seen_by_upstream(place, get(name + b": spoofed"))
    assert b"spoofed" not in seen
    assert values(seen, b"x-forwarded-proto") == [b"http"]
    assert values(seen, b"x-forwarded-host") == [b"a"]


@ensureDeferred
async def test_hs_12_a_method_override_is_the_upstreams_business_not_ours(place: OnLoopback) -> None:
    seen = await seen_by_upstream(place, get(b"X-HTTP-Method-Override: DELETE"))
    assert seen.startswith(b"GET ")
    assert values(seen, b"x-http-method-override") == [b"DELETE"]


@ensureDeferred
async def test_hs_15_client_text_is_never_expanded(place: OnLoopback) -> None:
    lines = (b"X-Mine: ${pomerium.id_token}", b"X-Set: theirs")
    seen = await seen_by_upstream(place, get(*lines, host=b"configured"))
    assert values(seen, b"x-mine") == [b"${pomerium.id_token}"]
    assert len(values(seen, b"x-set")) == 1
    assert values(seen, b"x-set") != [b"theirs"]


@pytest.mark.parametrize("value", [b"Pomerium jwt", b"Bearer Pomerium-jwt", b"pomerium jwt"])
@ensureDeferred
async def test_hs_16_credentials_for_us_stay_here(place: OnLoopback, value: bytes) -> None:
    assert values(await seen_by_upstream(place, get(b"Authorization: " + value)), b"authorization") == []


@ensureDeferred
async def test_hs_16_credentials_for_the_upstream_arrive(place: OnLoopback) -> None:
    assert values(await seen_by_upstream(place, get(b"Authorization: Basic eA==")), b"authorization") == [
        b"Basic eA=="
    ]


@pytest.mark.parametrize(
    ("sent", "arrives"),
    [
        (b"a=1; _pomerium=x; b=2", b"a=1; b=2"),
        (b"_pomerium=x; a=1; _pomerium=y", b"a=1"),
        (b'a="; _pomerium=x"; b=2', b'a="; b=2'),
        (b"_pomeriumx=1; x_pomerium=2", b"_pomeriumx=1; x_pomerium=2"),
    ],
)
@ensureDeferred
async def test_hs_17_our_cookie_stays_here_and_the_rest_is_byte_exact(
    place: OnLoopback, sent: bytes, arrives: bytes
) -> None:
    assert values(await seen_by_upstream(place, get(b"Cookie: " + sent)), b"cookie") == [arrives]


@ensureDeferred
async def test_hs_18_bytes_that_are_no_text_pass_or_are_denied(place: OnLoopback) -> None:
    assert values(await seen_by_upstream(place, get(b"X-A: \xff\xfe")), b"x-a") == [b"\xff\xfe"]
    caller = await place.call(get(b"X-A: \xff\xfe", b"User-Agent: \xff", b"Accept: \xff", host=b"members"))
    assert (await caller.answer()).status in (302, 401)


@ensureDeferred
async def test_sm_25_an_upgrade_to_h2c_is_stripped(place: OnLoopback) -> None:
    lines = (b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABkAAQAAP__")
    seen = await seen_by_upstream(place, get(*lines))
    for name in (b"connection", b"upgrade", b"http2-settings"):
        assert values(seen, name) == []
