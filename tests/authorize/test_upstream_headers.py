"""What an upstream is told of the caller."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import jwt
import pytest
from twisted.internet.task import Clock

from pomerium_tw.authorize import UpstreamHeaders
from pomerium_tw.model import ANONYMOUS, Identity, Secret, Session, User
from pomerium_tw.token import AssertionSigner, derive_signing_key

from .values import HOST, NOW, identity, request, route

KEYS = derive_signing_key(Secret(b"s" * 32))


class Writer:
    """Headers with a clock; assertions are numbered."""

    def __init__(self, generation: int = 1, **claim_headers: str) -> None:
        self.clock = Clock()
        self.clock.advance(NOW)
        numbers = itertools.count(1)
        signer = AssertionSigner(KEYS, self.clock.seconds, lambda: str(next(numbers)))
        named = {name.replace("_", "-"): claim for name, claim in claim_headers.items()}
        self.headers = UpstreamHeaders(signer, named, self.clock.seconds, generation)

    def lines(self, who: Identity, host: str = HOST, **route_fields: Any) -> bytes:
        at = route(route_fields.pop("route_host", host), **route_fields)
        return self.headers.lines(request(host), at, who)

    def sent(self, who: Identity, **route_fields: Any) -> dict[str, str]:
        """Header names and values as an upstream reads them."""
        raw = self.lines(who, **route_fields)
        assert raw.endswith(b"\r\n")
        pairs = [line.partition(b": ") for line in raw.split(b"\r\n")[:-1]]
        assert all(separator for _name, separator, _value in pairs)
        return {name.decode(): value.decode() for name, _separator, value in pairs}

    def claims(self, who: Identity, **route_fields: Any) -> dict[str, Any]:
        token = self.sent(who, **route_fields)["X-Pomerium-Jwt-Assertion"]
        options: Any = {"verify_exp": False, "verify_iat": False}
        claims: dict[str, Any] = jwt.decode(
            token, KEYS.published[0].public, ["ES256"], audience=HOST, options=options
        )
        return claims

    def serial(self, who: Identity, **route_fields: Any) -> int:
        return int(
            jwt.decode(
                self.sent(who, **route_fields)["X-Pomerium-Jwt-Assertion"],
                options={"verify_signature": False},
            )["jti"]
        )


def test_an_assertion_says_who_is_asking() -> None:
    who = identity({"groups": ["g1", "g2"], "name": "U One", "other": "x"})
    assert Writer().claims(who) == {
        "iss": HOST,
        "aud": HOST,
        "jti": "1",
        "iat": int(NOW),
        "exp": int(NOW) + 300,
        "sub": "u1",
        "user": "u1",
        "email": "u@example.com",
        "groups": ["g1", "g2"],
        "sid": "s1",
        "name": "U One",
    }


def test_a_caller_without_a_session_gets_a_signed_assertion_with_empty_fields() -> None:
    claims = Writer().claims(ANONYMOUS)
    assert {name: claims[name] for name in ("sub", "user", "email", "groups", "sid", "name")} == {
        "sub": "",
        "user": "",
        "email": "",
        "groups": [],
        "sid": "",
        "name": "",
    }


def test_the_route_chooses_the_form_of_the_issuer() -> None:
    assert Writer().claims(identity(), jwt_issuer_format="uri")["iss"] == f"https://{HOST}/"


def test_a_route_that_passes_no_identity_sends_nothing() -> None:
    assert Writer(X_Email="email").lines(identity(), pass_identity_headers=False) == b""


def test_claim_headers_are_sent_and_a_missing_claim_is_an_empty_header() -> None:
    who = identity({"groups": ["a", "b"], "verified": True, "level": 3, "address": {"city": "Graz"}})
    writer = Writer(
        X_Groups="groups", X_Ok="verified", X_Level="level", X_City="address.city", X_None="missing"
    )
    sent = writer.sent(who)
    assert list(sent) == ["X-Pomerium-Jwt-Assertion", "X-Groups", "X-Ok", "X-Level", "X-City", "X-None"]
    assert list(sent.values())[1:] == ["a,b", "true", "3", "Graz", ""]
    claims = writer.claims(who)
    assert (claims["verified"], claims["level"], claims["address.city"]) == ("true", "3", "Graz")
    assert "missing" not in claims


def test_claim_headers_say_what_the_assertion_says() -> None:
    """Claims of the provider never replace the base claims, in the header as little as in the assertion."""
    forged = dict.fromkeys(("sub", "user", "sid", "email", "iss", "aud", "exp", "iat", "jti"), "forged")
    names = {f"X_{name}": name for name in forged}
    who = identity(forged, forged)
    writer = Writer(**names)
    sent, claims = writer.sent(who), writer.claims(who)
    for name in forged:
        assert sent[f"X-{name}"] == str(claims[name]) != "forged"


def test_the_sessions_claim_goes_before_the_users() -> None:
    who = identity({"dept": "S"}, {"dept": "U", "only": "U"})
    sent = Writer(X_Dept="dept", X_Only="only").sent(who)
    assert (sent["X-Dept"], sent["X-Only"]) == ("S", "U")


@pytest.mark.parametrize(
    ("claim", "header"),
    [
        ("a\r\nX-Admin: yes", "a X-Admin: yes"),
        ("a\nb\rc\x00d\x7fe\x1bf\x0bg", "a b c d e f g"),
        ("\r\n\r\n", ""),
        ("  x\t", "x"),
        ("a\u2028b\u0085c ü", "a\u2028b\u0085c ü"),
        ("\ud800", "?"),
    ],
)
def test_a_claim_never_ends_its_line(claim: str, header: str) -> None:
    sent = Writer(X_Name="nick", X_Last="email").sent(identity({"nick": claim}))
    assert list(sent) == ["X-Pomerium-Jwt-Assertion", "X-Name", "X-Last"]
    assert sent["X-Name"] == header


def test_headers_are_used_again_for_a_minute() -> None:
    writer, who = Writer(), identity()
    assert writer.serial(who) == 1
    writer.clock.advance(59.9)
    assert writer.serial(who) == 1
    writer.clock.advance(0.1)
    assert writer.serial(who) == 2
    writer.clock.advance(60)
    assert writer.serial(who) == 3


def test_what_is_used_again_lives_with_the_identity() -> None:
    """A changed record makes a new identity: nothing of the old one may be sent for it."""
    writer = Writer()
    writer.lines(identity(email="old@example.com"))
    assert writer.claims(identity(email="new@example.com"))["email"] == "new@example.com"


def test_another_host_route_or_generation_has_headers_of_its_own() -> None:
    who = identity()
    first = Writer()
    assert first.serial(who) == 1
    assert first.serial(who, host="other.example.com", route_host="*.example.com") == 2
    other = replace(route(), id="r2")
    assert first.headers.lines(request(), other, who) != first.lines(who)
    assert first.serial(who) == 1
    assert Writer(2, X_Email="email").sent(who)["X-Email"] == "u@example.com", (
        "the old one had no such header"
    )


def test_the_memory_of_one_caller_is_bounded() -> None:
    writer, who = Writer(), identity()
    for number in range(500):
        writer.lines(who, host=f"h{number}.example.com", route_host="*.example.com")
    assert len(who.memo) <= 64
    assert writer.serial(who) == 501


@pytest.fixture
def forget() -> Any:
    ANONYMOUS.memo.clear()
    yield
    ANONYMOUS.memo.clear()


@pytest.mark.usefixtures("forget")
def test_anonymous_callers_cannot_fill_the_memory_that_they_share() -> None:
    writer = Writer()
    assert writer.serial(ANONYMOUS) == 1
    for number in range(100):
        writer.lines(ANONYMOUS, host=f"h{number}.example.com", route_host="*.example.com")
    assert len(ANONYMOUS.memo) == 1
    assert writer.serial(ANONYMOUS) == 1, "the exact route's block is still there"


CASES = [
    case
    for line in (Path(__file__).parent.parent / "conformance" / "ppl-cases.jsonl")
    .read_text("utf-8")
    .splitlines()
    if (case := json.loads(line))["kind"] == "headers"
    and set(case["input"])
    <= {
        "jwt_claims_headers",
        "session",
        "user",
        "jwt_issuer_format_route",
        "request",
        "jwt_issuer_format_global",
    }
    and not case["id"].startswith("hdr-assertion-for")
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_the_conformance_cases_agree(case: dict[str, Any]) -> None:
    given, expected = case["input"], case["expect"]
    named = given.get("jwt_claims_headers", [])
    if isinstance(named, list):
        named = {f"X-Pomerium-Claim-{claim}": claim for claim in named}
    session, user = given.get("session"), given.get("user")
    who = Identity(
        Session(session["id"], session["user_id"], "", 0, NOW + 9, values(session)) if session else None,
        User(user["id"], "", user.get("email", ""), values(user)) if user else None,
    )
    host = given.get("request", {}).get("hostname", HOST)
    form = given.get("jwt_issuer_format_route") or given.get("jwt_issuer_format_global") or "hostOnly"
    writer = Writer(**named)
    at = {"jwt_issuer_format": "uri" if form in ("uri", "IssuerURI") else "hostOnly"}
    sent = {name.lower(): value for name, value in writer.sent(who, host=host, **at).items()}
    for name, value in expected.get("headers", {}).items():
        assert sent[name.lower()] == value
    claims = jwt.decode(sent["x-pomerium-jwt-assertion"], options={"verify_signature": False})
    assert claims.items() >= expected.get("jwt", {}).items()
    assert len(CASES) >= 9


def values(record: dict[str, Any]) -> dict[str, tuple[Any, ...]]:
    return {name: tuple(found) for name, found in record.get("claims", {}).items()}
