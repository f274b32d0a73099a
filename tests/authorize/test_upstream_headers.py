"""What an upstream is told of the caller."""

from __future__ import annotations

import gc
import itertools
import math
import weakref
from dataclasses import replace
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from twisted.internet.task import Clock

from pomerium_tw.authorize import ForwardedAssertions, IssuedTokens, UpstreamHeaders, routing_key
from pomerium_tw.model import (
    ANONYMOUS,
    MAX_MEMO,
    ClientCertificate,
    DirectoryGroup,
    DirectoryUser,
    Identity,
    Secret,
    Session,
)
from pomerium_tw.token import AssertionSigner, SigningKeys, derive_signing_key, load_signing_keys

from .values import HOST, NOW, identity, request, route

KEYS = derive_signing_key(Secret(b"s" * 32))


class Writer:
    """Headers with a clock; assertions are numbered."""

    def __init__(
        self,
        generation: int = 1,
        *,
        forwards: bool = False,
        tokens_of: Any = None,
        keys: SigningKeys = KEYS,
        **claim_headers: str,
    ) -> None:
        self.clock = Clock()
        self.clock.advance(NOW)
        numbers = itertools.count(1)
        signer = AssertionSigner(keys, self.clock.seconds, lambda: str(next(numbers)))
        named = {name.replace("_", "-"): claim for name, claim in claim_headers.items()}
        now = self.clock.seconds
        self.headers = UpstreamHeaders(
            signer,
            named,
            now,
            generation,
            tokens_of=tokens_of or (lambda _who: IssuedTokens()),
            forwarded=ForwardedAssertions(keys, now) if forwards else None,
        )

    def lines(
        self,
        who: Identity,
        host: str = HOST,
        said: bytes = b"",
        fields: tuple[tuple[bytes, bytes], ...] = (),
        **route_fields: Any,
    ) -> bytes:
        route_id = route_fields.pop("id", "r1")
        at = replace(route(route_fields.pop("route_host", host), **route_fields), id=route_id)
        if said:
            fields = (*fields, (b"x-said", said))
        return self.headers.lines(request(host, fields, CERTIFICATE), at, who)[0]

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


def test_what_is_remembered_of_a_caller_goes_with_him() -> None:
    """At once, not when the garbage collector finds a ring of objects."""

    class Trace:
        pass

    gc.disable()
    try:
        who, trace = identity(), Trace()
        seen = weakref.ref(trace)
        assert Writer(X_Email="email").lines(who, set_request_headers={"X-Token": "$pomerium.jwt"})
        who.memo["trace"] = trace
        assert len(who.memo) == 2
        del who, trace
        assert seen() is None
    finally:
        gc.enable()


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


def test_headers_are_used_again_for_two_minutes() -> None:
    writer, who = Writer(), identity()
    assert writer.serial(who) == 1
    writer.clock.advance(119.9)
    assert writer.serial(who) == 1
    writer.clock.advance(0.1)
    assert writer.serial(who) == 2
    writer.clock.advance(120)
    assert writer.serial(who) == 3


@pytest.mark.parametrize("who", [identity(), ANONYMOUS], ids=["signed in", "anonymous"])
@pytest.mark.parametrize("moving", [False, True])
def test_an_assertion_of_the_future_is_not_used_again_when_the_clock_is_put_back(
    who: Identity, moving: bool
) -> None:
    who = who if who is ANONYMOUS else identity()
    said = {"X-Said": "$pomerium.request.headers.X-Said"} if moving else {}
    writer = Writer()
    at = route(set_request_headers=said)
    assert writer.serial(who, set_request_headers=said) == 1
    writer.clock.rightNow -= 1
    assert writer.headers.unproved(request(), at, who) is not None
    assert writer.serial(who, set_request_headers=said) == 2
    writer.clock.rightNow += 1
    assert writer.serial(who, set_request_headers=said) == 2, "made a second ago"


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
    assert len(who.memo) <= MAX_MEMO
    assert writer.serial(who) == 501


def test_anonymous_callers_cannot_fill_the_memory_that_they_share() -> None:
    writer = Writer()
    assert writer.serial(ANONYMOUS) == 1
    for number in range(100):
        writer.lines(ANONYMOUS, host=f"h{number}.example.com", route_host="*.example.com", id="r2")
    assert writer.serial(ANONYMOUS, host="h1.example.com", route_host="*.example.com", id="r2") == 102
    assert len(writer.headers._of_nobody) == 1
    assert writer.serial(ANONYMOUS) == 1, "the exact route's block is still there"


def test_an_anonymous_caller_who_walks_all_public_routes_evicts_nothing() -> None:
    writer = Writer()
    serials = [writer.serial(ANONYMOUS, id=f"r{number}") for number in range(2 * MAX_MEMO)]
    assert serials == [writer.serial(ANONYMOUS, id=f"r{number}") for number in range(2 * MAX_MEMO)]
    assert not ANONYMOUS.memo, "it outlives every configuration"


def test_an_anonymous_caller_is_never_told_to_another_host() -> None:
    writer = Writer()
    hosts = ("one.example.com", HOST, "two.example.com")
    for host in hosts:
        sent = writer.sent(ANONYMOUS, host=host, route_host=HOST)["X-Pomerium-Jwt-Assertion"]
        assert jwt.decode(sent, options={"verify_signature": False})["aud"] == host


def directory(email: str | None = None, **names: str) -> DirectoryUser:
    """A directory record; group id → name."""
    return DirectoryUser("u1", email, tuple(DirectoryGroup(*pair) for pair in names.items()))


@pytest.mark.parametrize(
    ("names", "told", "groups"),
    [
        ({"a": "A", "b": "", "c": "C"}, [], ["a", "b", "c", "A", "C"]),
        ({"a": "A", "b": "B"}, ["b", "x"], ["b", "B"]),
        ({"a": "b", "b": "B"}, ["a"], ["a", "b"]),
        ({"a": "A"}, ["x"], []),
        ({}, ["x"], ["claim"]),
    ],
)
def test_groups_are_the_directorys_or_else_the_claims(
    names: dict[str, str], told: list[str], groups: list[str]
) -> None:
    who = replace(identity({"groups": ["claim"]}), directory=directory(**names))
    assert Writer().claims(who, jwt_groups_filter=frozenset(told))["groups"] == groups


def test_an_address_in_the_directory_counts_even_when_it_is_empty() -> None:
    assert Writer().claims(replace(identity(), directory=directory()))["email"] == "u@example.com"
    for email in ("d@example.com", ""):
        assert Writer().claims(replace(identity(), directory=directory(email)))["email"] == email


def test_an_impersonated_caller_keeps_the_session_id_of_who_asks() -> None:
    admin = Session("admin-session", "admin", "idp", 0, NOW + 9)
    claims = Writer().claims(replace(identity(), presented=admin))
    assert (claims["sid"], claims["sub"]) == ("admin-session", "u1")


CERTIFICATE = ClientCertificate(b"der")


def test_headers_are_set_from_caller_and_request() -> None:
    templates = {
        "X-Price": "5 $$",
        "X-Jwt": "jwt ${pomerium.jwt}",
        "X-Token": "$pomerium.access_token|$pomerium.id_token",
        "X-Said": '[${pomerium.request.headers["X-SAID"]}]',
        "X-Print": "$pomerium.client_cert_fingerprint",
        "X-Dns": "a${pomerium.client_cert_san_dns}b",
        "X-Nothing": "${pomerium.nothing}$pomerium.request.headers$pomerium",
    }
    writer = Writer(tokens_of=lambda who: IssuedTokens(Secret(f"access-{who.user_id}"), Secret(b"id")))
    sent = writer.sent(identity(), pass_identity_headers=False, set_request_headers=templates, said=b"a\x00b")
    assert jwt.decode(sent["X-Jwt"][4:], options={"verify_signature": False})["sub"] == "u1"
    del sent["X-Jwt"]
    assert sent == {
        "X-Price": "5 $",
        "X-Token": "access-u1|id",
        "X-Said": "[a b]",
        "X-Print": CERTIFICATE.fingerprint,
        "X-Dns": "ab",
        "X-Nothing": "",
    }


def test_a_value_of_the_caller_alone_is_remembered_and_one_of_the_request_is_not_mixed_up() -> None:
    asked: list[Identity] = []

    def tokens_of(who: Identity) -> IssuedTokens:
        asked.append(who)
        return IssuedTokens(Secret(b"access"))

    writer, who = Writer(tokens_of=tokens_of), identity()
    standing = {"X-Token": "$pomerium.access_token"}
    assert writer.lines(who, set_request_headers=standing) is writer.lines(who, set_request_headers=standing)
    assert len(asked) == 1
    writer, moving = Writer(generation=2), {"X-Said": "$pomerium.request.headers.X-Said"}
    sent = [writer.sent(who, set_request_headers=moving, said=said)["X-Said"] for said in (b"1", b"2", b"1")]
    assert sent == ["1", "2", "1"]


def test_lines_say_until_when_they_hold() -> None:
    writer, who = Writer(), identity()
    at = route(set_request_headers={"X-Said": "$pomerium.request.headers.X-Said"})
    assert writer.headers.lines(request(), at, who)[1:] == (NOW, NOW + 120)
    writer.clock.advance(120)
    assert writer.headers.lines(request(), at, who)[1:] == (NOW + 120, NOW + 240)
    writer.clock.advance(1)
    assert writer.headers.lines(request(), route(), identity())[1:] == (NOW + 121, NOW + 241)
    plain = replace(route(set_request_headers={"X-A": "1"}), id="r2", pass_identity_headers=False)
    assert writer.headers.lines(request(), plain, who) == (b"X-A: 1\r\n", -math.inf, math.inf)


def test_plain_values_cost_nothing() -> None:
    writer, who = Writer(), identity()
    at = {"pass_identity_headers": False, "set_request_headers": {"X-A": "1", "X-B": "é $$"}}
    assert writer.lines(who, **at) == "X-A: 1\r\nX-B: é $\r\n".encode()
    assert writer.lines(who, **at) is writer.lines(ANONYMOUS, **at)
    assert not who.memo


def test_values_of_one_name_are_joined() -> None:
    sent = Writer(X_Email="email").sent(identity(), set_request_headers={"x-email": "set"})
    assert sent["X-Email"] == "u@example.com,set"


KUBERNETES = {"pass_identity_headers": False, "kubernetes_service_account_token": Secret(b"TOKEN")}


def test_a_kubernetes_api_gets_the_accounts_token_and_the_callers_names() -> None:
    who = replace(identity(), directory=directory(g1="G1", g2="a,system:masters"))
    assert Writer().lines(who, **KUBERNETES).split(b"\r\n") == [
        b"Authorization: Bearer TOKEN",
        b"Impersonate-User: u@example.com",
        b"Impersonate-Group: g1",
        b"Impersonate-Group: g2",
        b"Impersonate-Group: G1",
        b"",
    ]
    told = dict(Writer().headers.headers(request(), route(**KUBERNETES), who).headers)
    assert told["Impersonate-Group"] == "g1,g2,G1"
    assert "TOKEN" not in repr(Writer().headers.headers(request(), route(**KUBERNETES), who))


def test_nobody_acts_as_the_service_account_itself() -> None:
    for who in (ANONYMOUS, identity(email=""), identity(email="\r\n")):
        assert Writer().lines(who, **KUBERNETES) == b""


def test_the_assertion_of_the_original_user_travels_beside_the_callers() -> None:
    original = KEYS.sign({"sub": "alice", "exp": int(NOW) + 30}).encode()
    writer = Writer(forwards=True)
    fields = ((b"x-pomerium-jwt-assertion", original),)
    sent = writer.sent(identity(), fields=fields)
    assert sent["X-Pomerium-Jwt-Assertion-For"] == original.decode()
    assert sent["X-Pomerium-Jwt-Assertion"] != original.decode()
    assert "X-Pomerium-Jwt-Assertion-For" not in writer.sent(identity())
    assert writer.lines(identity(), fields=fields, pass_identity_headers=False, id="r2") == b""
    asked = request(fields=fields)
    lines, since, until = writer.headers.lines(asked, route(), identity())
    assert b"-For: " in lines and (since, until) == (NOW, NOW + 30)
    writer.clock.advance(30)
    assert b"-For: " not in writer.headers.lines(asked, route(), identity())[0], "it is over"


def test_secrets_are_not_printed_with_what_remembers_them() -> None:
    who = identity()
    writer = Writer(tokens_of=lambda _who: IssuedTokens(Secret(b"hunter2")))
    writer.lines(who, set_request_headers={"X-Token": "$pomerium.access_token"})
    assert "hunter2" not in repr(who) + repr(who.memo) + repr(writer.headers)


def test_a_session_has_one_routing_key() -> None:
    assert routing_key("s1") == "e8bc163c82eee18733288c7d4ac636db3a6deb013ef2d37b68322be20edc45cc"
    assert routing_key("") == ""


# -- proofs that are made in steps of one's own

PLAIN_KEYS = load_signing_keys(
    Secret(
        ed25519.Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
)
"""What they sign is always the same: no random number goes into it (RFC 8032)."""


def both(**claim_headers: str) -> tuple[Writer, Writer]:
    """Two that write the same, each from its own memory."""
    one, other = (Writer(keys=PLAIN_KEYS, forwards=True, **claim_headers) for _ in range(2))
    return one, other


@pytest.mark.parametrize("steps", [(), ("write",), ("write", "sign"), ("sign",), ("write", "write", "sign")])
@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"set_request_headers": {"X-A": "1", "X-Token": "$pomerium.jwt"}},
        {"set_request_headers": {"X-Said": "$pomerium.request.headers.X-Said"}},
        {"set_request_headers": {"x-email": "joined"}},
        {"kubernetes_service_account_token": Secret(b"TOKEN")},
        {"jwt_groups_filter": frozenset(["g1"]), "jwt_issuer_format": "uri"},
    ],
)
@pytest.mark.parametrize("forwards", [False, True])
def test_lines_with_a_proof_made_before_are_those_without(
    steps: tuple[str, ...], fields: dict[str, Any], forwards: bool
) -> None:
    at = route(**fields)
    said = [(b"x-said", b"this")]
    if forwards:
        said.append(
            (b"x-pomerium-jwt-assertion", PLAIN_KEYS.sign({"sub": "al", "exp": int(NOW) + 9}).encode())
        )
    asked = request(fields=tuple(said))
    one, other = both(X_Email="email")
    for number in range(2):
        who, same = (replace(identity({"groups": ["g1"]}), directory=directory(g1="G", g2="H")) for _ in "12")
        proof = one.headers.unproved(asked, at, who)
        assert proof is not None
        for step in steps:
            getattr(proof, step)()
        expected = other.headers.lines(asked, at, same)
        assert one.headers.lines(asked, at, who, proof) == expected, f"caller {number}"
        assert b"X-Pomerium-Jwt-Assertion: " in expected[0]
        # And so are the ones after them, which are made of what is remembered.
        assert one.headers.unproved(asked, at, who) is None
        assert one.headers.lines(asked, at, who) == other.headers.lines(asked, at, same)


@pytest.mark.parametrize("headers", [{}, {"X-A": "1"}, {"X-Said": "$pomerium.request.headers.X-Said"}])
def test_the_assertion_of_the_original_user_stands_behind_all_other_lines(headers: dict[str, str]) -> None:
    one, other = both()
    original = PLAIN_KEYS.sign({"sub": "alice", "exp": int(NOW) + 30}).encode()
    fields = ((b"x-pomerium-jwt-assertion", original),)
    plain = one.lines(identity(), set_request_headers=headers)
    added = b"X-Pomerium-Jwt-Assertion-For: %b\r\n" % original
    assert other.lines(identity(), fields=fields, set_request_headers=headers) == plain + added


def test_nothing_has_to_be_proved_where_it_is_remembered_or_where_nothing_is_passed() -> None:
    writer, who = Writer(), identity()
    at, asked = route(), request()
    for options in (
        {"pass_identity_headers": False},
        {"pass_identity_headers": False, "set_request_headers": {"X-A": "1"}},
        {"pass_identity_headers": False, "set_request_headers": {"X-A": "$pomerium.access_token"}},
    ):
        assert writer.headers.unproved(asked, replace(route(**options), id=str(options)), who) is None
    assert not who.memo
    assert writer.headers.unproved(asked, at, who) is not None
    writer.headers.lines(asked, at, who)
    assert writer.headers.unproved(asked, at, who) is None


def test_another_caller_host_route_generation_and_a_later_time_have_to_be_proved_anew() -> None:
    writer, who = Writer(), identity()
    at, asked = route(), request()
    writer.headers.lines(asked, at, who)
    assert writer.headers.unproved(asked, at, identity()) is not None
    assert writer.headers.unproved(request("other.example.com"), at, who) is not None
    assert writer.headers.unproved(asked, replace(at, id="r2"), who) is not None
    assert Writer(generation=2).headers.unproved(asked, at, who) is not None
    writer.clock.advance(119.9)
    assert writer.headers.unproved(asked, at, who) is None
    writer.clock.advance(0.1)
    assert writer.headers.unproved(asked, at, who) is not None


def test_a_proof_is_not_made_before_it_is_asked_for_and_once_only() -> None:
    writer, who = Writer(), identity()
    proof = writer.headers.unproved(request(), route(), who)
    assert proof is not None
    writer.clock.advance(10)
    proof.write()
    proof.sign()
    first = proof.assertion
    writer.clock.advance(10)
    proof.write()
    proof.sign()
    assert proof.assertion is first
    assert not proof._unsigned, "most of it is in the assertion"
    claims = jwt.decode(first, options={"verify_signature": False})
    assert (claims["iat"], claims["jti"]) == (NOW + 10, "1")


def test_two_proofs_of_one_turn_are_each_their_own_and_the_first_is_what_is_sent_again() -> None:
    writer, who, at, asked = Writer(), identity(), route(), request()
    one, two = (writer.headers.unproved(asked, at, who) for _ in range(2))
    assert one is not None and two is not None and one is not two
    first = writer.headers.lines(asked, at, who, one)
    assert writer.headers.lines(asked, at, who, two) == first
    assert writer.serial(who) == 1
