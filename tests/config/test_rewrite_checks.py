"""Rewriting that never finds what it is about."""

from __future__ import annotations

import pytest

from pomerium_tw.config.headers import REMOVED
from pomerium_tw.config.rewrite_checks import REMOVED_PREFIXES
from pomerium_tw.proxy.header_names import DROPPED, HOP_BY_HOP, READ, UNTRUSTED, HeadRules

from .conftest import Problems

HEAD = "routes:\n  - from: https://a.example.com\n    to: http://a\n"
BASE = HEAD + "    allow_public_unauthenticated_access: true\n"
NEVER_THERE = "5:26: host_rewrite_header never finds {}: callers do not speak for it"


@pytest.mark.parametrize("stem", ["regex_rewrite", "host_path_regex_rewrite"])
@pytest.mark.parametrize(
    ("pattern", "told"),
    [
        ("^api", True),
        ("^(?:api|rest)/", True),
        ("(?i)^API", True),
        ("^/a b", True),
        (r"/a\ b", True),
        ("/é", True),
        (r"/a\?b=(.*)", True),
        ("/a#(.*)", True),
        (r"/a\\b", True),
        ("api", False),
        ("^/api", False),
        ("^/a%20b", False),
        ("^.*api", False),
        ("^api|/rest", False),
        ("^/a( b)?", False),
        ("^/[^/ ]+", False),
        ("", False),
        ("^", False),
        (r"\A(?:)", False),
        ("^(?:api)?", False),
        ("^*api", False),
        ("^{0}api", False),
        (r"^x\(y|z\)", False),
        (r"^\Q(\Ex|b\Q)\E", False),
        ("^[(]x|b[)]", False),
        (r"^x\|y", True),
        ("^[|]y", True),
    ],
)
def test_a_pattern_that_finds_nothing_in_paths_as_sent_is_told(
    warnings: Problems, stem: str, pattern: str, told: bool
) -> None:
    lines = f"    {stem}_pattern: '{pattern}'\n" + (f"    {stem}_substitution: x\n" if pattern else "")
    message = f"5:{len(stem) + 15}: {stem}_pattern never finds anything: it searches the path as it is sent"
    assert warnings(BASE + lines) == ([message] if told else [])


@pytest.mark.parametrize("name", ["Cookie", "authorization"])
def test_what_callers_sign_in_with_is_never_a_host(problems: Problems, name: str) -> None:
    assert problems(f"{BASE}    host_rewrite_header: {name}\n") == [
        f"5:26: {name} holds what callers sign in with, never a host"
    ]


@pytest.mark.parametrize(
    "name",
    ["X-Original-URL", "X-Pomerium-Host", "x-pomerium-jwt-assertion", "X-Real-IP", "X-SSL-Client-DN", "TE"],
)
def test_a_header_that_no_upstream_gets_is_told(warnings: Problems, name: str) -> None:
    assert warnings(f"{BASE}    host_rewrite_header: {name}\n") == [NEVER_THERE.format(name)]


def test_a_header_that_has_no_effect_is_told_of_that_alone(warnings: Problems) -> None:
    lines = "    host_rewrite: b.example.com\n    host_rewrite_header: Cookie\n"
    assert warnings(BASE + lines) == ["6:26: host_rewrite_header has no effect beside host_rewrite"]


@pytest.mark.parametrize(
    "lines",
    [
        "    host_rewrite_header: X-Host\n",
        "    host_rewrite_header: X-Forwarded-Host\n",
        "    host_rewrite_header: X-Envoy-External-Address\n",
        "    host_rewrite_header: X-Real-IP\n    set_request_headers: {x-real-ip: b.example.com}\n",
        "    host_rewrite_header: Cookie\n    set_request_headers: {Cookie: b.example.com}\n",
        "    host_rewrite_header: X-Pomerium-Jwt-Assertion\n    pass_identity_headers: true\n",
    ],
)
def test_a_header_that_the_upstream_gets_is_not_told(warnings: Problems, lines: str) -> None:
    assert warnings(BASE + lines) == []


@pytest.mark.parametrize(
    ("passed", "route", "told"), [("true", "", []), ("true", "false", [1]), ("false", "", [1])]
)
def test_a_claim_is_there_where_identity_is_passed(
    warnings: Problems, passed: str, route: str, told: list[int]
) -> None:
    own = f"    pass_identity_headers: {route}\n" if route else ""
    top = f"pass_identity_headers: {passed}\njwt_claims_headers: {{X-Tenant: tenant}}\n"
    found = warnings(f"{BASE}    host_rewrite_header: X-Tenant\n{own}{top}")
    assert len(found) == len(told)


def test_the_data_path_removes_the_same_headers() -> None:
    told = {name.encode() for name in REMOVED}
    assert told >= HOP_BY_HOP | UNTRUSTED
    rules = HeadRules()
    for name in (*REMOVED, *(prefix + "x" for prefix in REMOVED_PREFIXES)):
        assert rules.classify(name.encode())[1] in (DROPPED, READ), name
