"""Rows HS of the threat table: what a client may say of itself, and what only we say."""

from __future__ import annotations

import itertools
import sys
import time
from typing import Any

import pytest
from pytest_twisted import ensureDeferred

from pomerium_tw.model import Secret
from pomerium_tw.token import SigningKeys, derive_signing_key
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
    "name",
    [
        b"X_Pomerium_Claim_Email",
        b"X.Pomerium.Claim.Email",
        b"X-Pomerium_Claim-Email",
        # As CGI of lighttpd and of old Apaches would spell them.
        b"X!Pomerium~Claim|Email",
        b"X-Pomerium*Claim-Email",
    ],
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
    forged = (b"X-Email: forged", b"x.email: forged", b"X-EMAIL: forged", b"x~email: forged")
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


@pytest.mark.parametrize("name", [b"connection", b"CONNECTION", b"Connection"])
@ensureDeferred
async def test_hs_06_nor_does_the_case_of_the_token_matter(place: OnLoopback, name: bytes) -> None:
    cookie = b"Cookie: b=2; " + place.door.sign_in("members").encode()
    nominated = name + b": x-real-ip, x-POMERIUM-jwt-assertion, X-Forwarded-FOR, COOKIE, x_email, X-Private"
    lines = (cookie, nominated, b"X-Real-IP: spoofed", b"X-Private: 1", b"X-Kept: 2")
    seen = await seen_by_upstream(place, get(*lines, host=b"members"))
    for kept in (b"x-pomerium-jwt-assertion", b"x-forwarded-for", b"cookie", b"x-email", b"x-kept"):
        assert len(values(seen, kept)) == 1, kept
    for dropped in (b"x-private", b"x-real-ip", b"connection"):
        assert values(seen, dropped) == []


def signed(keys: SigningKeys, **claims: Any) -> bytes:
    return keys.sign({"sub": "first", "exp": int(time.time()) + 60, **claims}).encode()


@ensureDeferred
async def test_hs_07_for_whom_a_program_asks_travels_beside_who_it_is(place: OnLoopback) -> None:
    cookie = b"Cookie: " + place.door.sign_in("members", email="robot@example.com").encode()
    first = signed(place.door.signing_keys)
    lines = (cookie, b"X-Pomerium-Jwt-Assertion: " + first)
    seen = await seen_by_upstream(place, get(*lines, host=b"members"))
    assert values(seen, b"x-pomerium-jwt-assertion-for") == [first]
    (own,) = values(seen, b"x-pomerium-jwt-assertion")
    claims = place.door.signing_keys.read(own.decode())
    assert claims is not None
    assert claims["email"] == "robot@example.com"


FOREIGN = derive_signing_key(Secret(b"o" * 32))


@pytest.mark.parametrize("name", [b"X-Pomerium-Jwt-Assertion", b"X-Pomerium-Jwt-Assertion-For"])
@pytest.mark.parametrize("forgery", ["unsigned", "expired", "foreign", "many", "long"])
@ensureDeferred
async def test_hs_08_a_forged_one_goes_nowhere(place: OnLoopback, name: bytes, forgery: str) -> None:
    cookie = b"Cookie: " + place.door.sign_in("members").encode()
    keys = place.door.signing_keys
    good = signed(keys)
    sent = {
        "unsigned": [b"eyJhbGciOiJub25lIn0." + good.split(b".")[1] + b"."],
        "expired": [signed(keys, exp=int(time.time()) - 3600)],
        "foreign": [signed(FOREIGN)],
        "many": [good] * 50,
        "long": [signed(keys, padding="x" * 20_000)],
    }[forgery]
    lines = [name + b": " + value for value in sent]
    seen = await seen_by_upstream(place, get(cookie, *lines, host=b"members"))
    assert values(seen, b"x-pomerium-jwt-assertion-for") == []
    assert len(values(seen, b"x-pomerium-jwt-assertion")) == 1
    for value in sent:
        assert value not in seen


@ensureDeferred
async def test_hs_09_a_header_that_a_policy_reads_counts_with_all_its_lines(place: OnLoopback) -> None:
    def preflight(*lines: bytes) -> bytes:
        return get(*lines, host=b"preflights").replace(b"GET", b"OPTIONS", 1)

    asked = (b"Access-Control-Request-Method: GET", b"Access-Control-Request-Method: POST")
    both = await place.call(preflight(b"Origin: https://a", *asked))
    assert (await both.answer()).status == 200
    assert values(place.upstream.seen, b"access-control-request-method") == [b"GET", b"POST"]
    place.upstream.forget()
    # Another method for the upstream is not another method for us.
    overriding = (b"X-HTTP-Method-Override: OPTIONS", b"X-HTTP-Method-Override: GET")
    override = await place.call(get(b"Origin: https://a", *asked, *overriding, host=b"preflights"))
    assert (await override.answer()).status == 403
    assert place.upstream.seen == b""


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
        (b'a=1; _pomerium="x y"; b=2', b"a=1; b=2"),
        (b"a=1;_pomerium = x ;  b=2;;c", b"a=1;  b=2;;c"),
        (b"_pomeriumx=1; x_pomerium=2", b"_pomeriumx=1; x_pomerium=2"),
    ],
)
@ensureDeferred
async def test_hs_17_our_cookie_stays_here_and_the_rest_is_byte_exact(
    place: OnLoopback, sent: bytes, arrives: bytes
) -> None:
    assert values(await seen_by_upstream(place, get(b"Cookie: " + sent)), b"cookie") == [arrives]


@ensureDeferred
async def test_do_09_a_hundred_thousand_names_are_counted_not_hashed(place: OnLoopback) -> None:
    begun = time.process_time()
    many = await place.call(get(*[b"X%d: a" % number for number in range(1000)]))
    assert (await many.answer()).status == 431
    flood = await place.call(
        b"GET /x HTTP/1.1\r\nHost: a\r\n" + b"".join(b"%x:\r\n" % n for n in range(100_000))
    )
    assert (await flood.answer()).status == 431
    query = b"&".join(b"%x=" % number for number in range(100_000))
    asked = await place.call(b"GET /x?" + query + b" HTTP/1.1\r\nHost: a\r\n\r\n")
    assert (await asked.answer()).status in (414, 431)
    assert place.upstream.seen == b""
    assert time.process_time() - begun < 1.0


def test_do_09_keys_of_a_dictionary_cannot_be_made_to_collide() -> None:
    assert sys.hash_info.algorithm.startswith("siphash")


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
