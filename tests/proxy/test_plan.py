from __future__ import annotations

from dataclasses import replace

import pytest

from pomerium_tw.model import Secret
from pomerium_tw.proxy import RoutePlan
from pomerium_tw.proxy.plan import header_lines, without
from tests.proxy.test_router import UP, plan, request


@pytest.mark.parametrize(
    ("fields", "sent", "target"),
    [
        ({}, "/foo?x", b"/foo?x"),
        ({"prefix": "/foo", "prefix_rewrite": "/bar"}, "/foo/x?y", b"/bar/x?y"),
        ({"prefix": "/foo", "prefix_rewrite": "/"}, "/foo", b"/"),
        ({"prefix": "/foo", "prefix_rewrite": "/"}, "/foo/x", b"/x"),
        ({"prefix": "/f o", "prefix_rewrite": "/"}, "/f%20o/x%20y", b"/x%20y"),
        ({"prefix": "/é", "prefix_rewrite": "/e"}, "/%C3%A9/x", b"/e/x"),
        ({"path": "/foo", "prefix_rewrite": "/bar"}, "/foo", b"/bar"),
        ({"prefix": "/foo", "prefix_rewrite": "/"}, "/foo..", None),
        ({"prefix": "/foo", "prefix_rewrite": "/x/"}, "/foo../y", None),
        ({"prefix": "/foo", "prefix_rewrite": "/x"}, "/foo../y", b"/x../y"),
    ],
)
def test_rewriting_replaces_the_matched_prefix(
    fields: dict[str, str], sent: str, target: bytes | None
) -> None:
    assert plan("p", "a", **fields).target(request("a", sent)) == target


def test_the_path_of_the_target_url_is_an_implicit_rewrite() -> None:
    made = plan("p", "a")
    route = replace(made.route, upstreams=(replace(UP, path="/anything"),))
    assert RoutePlan(route, made.cluster).target(request("a", "/foo")) == b"/anythingfoo"


@pytest.mark.parametrize(
    ("fields", "host", "forwarded"),
    [
        ({}, b"up:80", True),
        ({"preserve_host_header": True}, b"a:8443", False),
        ({"host_rewrite": "x", "preserve_host_header": True}, b"x", False),
    ],
)
def test_the_host_for_the_upstream(fields: dict[str, object], host: bytes, forwarded: bool) -> None:
    lines = plan("p", "a", **fields).lines(request("a:8443"), UP, b"::1", b"")
    assert lines.startswith(b"Host: " + host + b"\r\n")
    assert (b"X-Forwarded-Host: a:8443\r\n" in lines) is forwarded


def test_configured_headers_replace_all_others_of_the_name_under_every_alias() -> None:
    made = plan("p", "a", set_request_headers={"X_Forwarded-For": "set", "X-Email": "set"})
    asked = request("a", fields=b"x-email: sent\r\nX.Email: sent\r\nX-Other: kept\r\n")
    lines = made.lines(asked, UP, b"::1", b"X-Email: ours\r\n")
    assert b"sent" not in lines and b"::1" not in lines and b"X-Other: kept\r\n" in lines
    assert lines.endswith(b"X-Email: ours\r\n")


def test_a_kubernetes_route_takes_nothing_of_what_a_client_says_of_itself() -> None:
    names = (b"Impersonate-User", b"impersonate-extra-scopes", b"Impersonate-Uid", b"Authorization")
    sent = b"".join(name + b": Bearer x\r\n" for name in names)
    open_lines = plan("p", "a").lines(request("a", fields=sent), UP, b"::1", b"")
    assert sent in open_lines, "elsewhere these are an application's own"
    made = plan("p", "a", kubernetes_service_account_token=Secret(b"t"))
    lines = made.lines(request("a", fields=sent), UP, b"::1", b"Impersonate-User: ours\r\n")
    assert lines.endswith(b"X-Forwarded-Host: a\r\nImpersonate-User: ours\r\n")
    assert b"x\r\n" not in lines


def test_headers_are_removed_under_every_alias() -> None:
    made = plan("p", "a", remove_request_headers=("X_Forwarded_Host",))
    assert b"X-Forwarded-Host" not in made.lines(request("a"), UP, b"::1", b"")
    assert without(b"A-B: 1\r\na.b: 2\r\nC: 3\r\n", frozenset((b"a-b",))) == b"C: 3\r\n"


def test_header_lines() -> None:
    assert header_lines({"A": "1", "B": "é"}) == b"A: 1\r\nB: \xc3\xa9\r\n"
    assert header_lines({"C": "€"}) == b"C: \xe2\x82\xac\r\n"
    assert header_lines({}) == b""
