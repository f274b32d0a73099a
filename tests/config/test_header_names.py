"""Under which names claims may be sent, and which headers cannot be removed (spec/proxy §3.2–3.5, §3.8)."""

from __future__ import annotations

import json

import pytest

from pomerium_tw.config import ConfigError
from pomerium_tw.proxy.header_names import HOP_BY_HOP, REBUILT, UNTRUSTED

from .conftest import Load, Problems

ROUTE = (
    "routes:\n  - from: https://a.example.com\n    to: http://a\n"
    "    allow_public_unauthenticated_access: true\n"
)
KUBERNETES = ROUTE + "    kubernetes_service_account_token: T\n"
NOT_FOR_CLAIMS = "is not for claims: the proxy decides what it says"
SIGN_IN = "holds what callers sign in with, never a claim"


@pytest.mark.parametrize(
    "name",
    [
        *sorted(each.decode() for each in (HOP_BY_HOP | REBUILT | UNTRUSTED) - {b"cookie"}),
        "Host",
        "Content_Length",
        "transfer.encoding",
        "X-Envoy-External-Address",
        "X-SSL-Client-DN",
        "X-Pomerium-Jwt-Assertion",
        "x_pomerium_jwt_assertion_for",
        "X-Pomerium-Authorization",
        "X-Pomerium-Reproxy-Policy",
        "X-Pomerium-Routing-Key",
    ],
)
def test_no_claim_stands_where_the_proxy_writes(loaded: Load, problems: Problems, name: str) -> None:
    text = f"jwt_claims_headers: {{X-Email: email, {name}: nickname}}\n"
    assert problems(text) == [f"1:38: {name}: the header {name} {NOT_FOR_CLAIMS}"]
    with pytest.raises(ConfigError) as caught:
        loaded(text)
    assert [each.hint for each in caught.value.problems] == ["name another header, such as X-Email"]


@pytest.mark.parametrize("name", ["Cookie", "authorization"])
def test_no_claim_stands_where_callers_sign_in(problems: Problems, name: str) -> None:
    assert problems(f"jwt_claims_headers: {{{name}: nickname}}\n") == [
        f"1:22: {name}: the header {name} {SIGN_IN}"
    ]


def test_no_header_is_given_two_claims(problems: Problems) -> None:
    headers = "{X-Email: email, x-email: name, X-Name: name, X_Email: sub, X.Name: sub}"
    takes = "upstreams may take this for the header"
    assert problems(f"jwt_claims_headers: {headers}\n") == [
        f"1:47: x-email: {takes} X-Email",
        f"1:76: X_Email: {takes} X-Email",
        f"1:89: X.Name: {takes} X-Name",
    ]


@pytest.mark.parametrize(
    ("written", "first", "second"),
    [
        (json.dumps({"X-Email": "email", "x_email": "name"}), "X-Email", "x_email"),
        ("given-name,given_name", "x-pomerium-claim-given-name", "x-pomerium-claim-given_name"),
    ],
)
def test_nor_by_the_variable(problems: Problems, written: str, first: str, second: str) -> None:
    assert problems("", {"JWT_CLAIMS_HEADERS": written}) == [
        f"environment JWT_CLAIMS_HEADERS: {second}: upstreams may take this for the header {first}"
    ]


def test_a_header_that_is_set_twice_is_told(warnings: Problems) -> None:
    lines = "    set_request_headers: {X-A: '1', x-a: '2', X-AB: '3', X_A: '4'}\n"
    assert warnings(ROUTE + lines) == [
        "5:42: x-a: upstreams may take this for the header X-A",
        "5:63: X_A: upstreams may take this for the header X-A",
    ]


def test_the_variable_names_no_such_header_either(problems: Problems) -> None:
    environ = {"JWT_CLAIMS_HEADERS": json.dumps({"Content-Length": "email"})}
    assert problems("", environ) == [
        f"environment JWT_CLAIMS_HEADERS: Content-Length: the header Content-Length {NOT_FOR_CLAIMS}"
    ]


def test_claims_stand_under_all_other_names(loaded: Load) -> None:
    names = ["X-Pomerium-Claim-Email", "X-Email", "X-Forwarded-User", "X-Forwarded-Email", "Remote-User"]
    headers = ", ".join(f"{name}: email" for name in names)
    assert [*loaded(f"jwt_claims_headers: {{{headers}}}\n").settings.jwt_claims_headers] == names


def test_claims_of_a_list_are_named_by_their_prefix(loaded: Load) -> None:
    settings = loaded("jwt_claims_headers: [host, authorization, jwt-assertion]\n").settings
    assert [*settings.jwt_claims_headers] == [
        "x-pomerium-claim-host",
        "x-pomerium-claim-authorization",
        "x-pomerium-claim-jwt-assertion",
    ]


@pytest.mark.parametrize("name", ["Impersonate-User", "impersonate_group", "Impersonate-Extra-scopes"])
def test_no_claim_says_whom_a_service_account_acts_for(problems: Problems, loaded: Load, name: str) -> None:
    claims = f"jwt_claims_headers: {{{name}: nickname}}\n"
    passed = "pass_identity_headers: true\n"
    message = f"{name}: on routes with a Kubernetes token, the proxy says whom the account acts for"
    assert problems(claims + passed + KUBERNETES) == [f"1:{24 + len(name)}: {message}"]
    assert loaded(claims + passed + ROUTE)
    assert loaded(claims + KUBERNETES)
    assert loaded(claims + passed + KUBERNETES.replace("to: http://a", "redirect: {path_redirect: /x}"))
    assert loaded(claims + passed + KUBERNETES + "    pass_identity_headers: false\n")


@pytest.mark.parametrize("name", ["Content_Length", "transfer.encoding", "x_request_id"])
def test_another_punctuation_makes_no_other_header(problems: Problems, name: str) -> None:
    (found,) = problems(f"{ROUTE}    set_request_headers: {{{name}: x}}\n")
    assert found.startswith(f"5:27: {name}: the header {name} ")


def test_what_the_proxy_tells_upstreams_may_be_replaced_by_who_configures_it(warnings: Problems) -> None:
    headers = "{X-Forwarded-For: a, X-Forwarded-Proto: https, X-Pomerium-Jwt-Assertion: '${pomerium.jwt}'}"
    assert warnings(f"{ROUTE}    set_request_headers: {headers}\n") == []


@pytest.mark.parametrize("name", ["Host", "connection", "Content-Length", "Transfer_Encoding", "UPGRADE"])
def test_what_is_written_anew_cannot_be_removed(warnings: Problems, name: str) -> None:
    lines = f"    remove_request_headers: [X-Forwarded-For, {name}, TE, Cookie]\n"
    message = f"remove_request_headers has no effect on {name}: it is written anew for each request"
    assert warnings(ROUTE + lines) == [f"5:47: {message}"]
