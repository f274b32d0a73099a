from __future__ import annotations

from dataclasses import replace

import pytest

from pomerium_tw.model import Secret, Substitution, Upstream
from pomerium_tw.proxy import RoutePlan
from pomerium_tw.proxy.header_names import header_lines
from pomerium_tw.proxy.rewriting import NoHost
from tests.proxy.test_router import UP, plan, request


@pytest.mark.parametrize(
    ("fields", "sent", "target"),
    [
        ({}, "/foo?x", b"/foo?x"),
        ({}, "/foo?", b"/foo?"),
        ({"prefix": "/foo", "prefix_rewrite": "/bar"}, "/foo/x?y", b"/bar/x?y"),
        ({"prefix": "/foo", "prefix_rewrite": "/"}, "/foo..", None),
        ({"prefix": "/foo", "prefix_rewrite": "/x/"}, "/foo../y", None),
        ({"prefix": "/foo", "prefix_rewrite": "/x"}, "/foo../y", b"/x../y"),
        ({"regex_rewrite": Substitution("^/(.)", r"/\1\1")}, "/foo?/foo", b"/ffoo?/foo"),
    ],
)
def test_the_path_is_rewritten_and_the_query_kept(
    fields: dict[str, object], sent: str, target: bytes | None
) -> None:
    assert plan("p", "a", **fields).target(request("a", sent)) == target


def test_the_path_of_the_target_url_is_an_implicit_rewrite() -> None:
    made = plan("p", "a")
    route = replace(made.route, upstreams=(replace(UP, path="/anything"),))
    assert RoutePlan(route, made.cluster).target(request("a", "/foo")) == b"/anythingfoo"


FROM_HEADER = {"host_rewrite_header": "X-Want"}
FROM_PATH = {"host_path_rewrite": Substitution("^/([^/]+).*$", r"\1.internal:81")}


@pytest.mark.parametrize(
    ("fields", "host", "forwarded"),
    [
        ({}, b"up:80", True),
        ({"preserve_host_header": True}, b"a:8443", False),
        ({"host_rewrite": "x", "preserve_host_header": True}, b"x", False),
        ({"host_rewrite": "x", **FROM_HEADER, **FROM_PATH}, b"x", True),
        ({**FROM_HEADER, **FROM_PATH, "preserve_host_header": True}, b"wanted:1", False),
        ({**FROM_PATH, "preserve_host_header": True}, b"foo.internal:81", False),
        (FROM_PATH, b"foo.internal:81", True),
        ({"host_rewrite_header": "x-absent"}, b"a:8443", True),
    ],
)
def test_the_host_for_the_upstream(fields: dict[str, object], host: bytes, forwarded: bool) -> None:
    made = plan("p", "a", **fields)
    asked = request("a:8443", "/foo/bar", b"X-Want: wanted:1 \r\n")
    assert made.target(asked) == b"/foo/bar"
    lines = made.lines(asked, UP, b"::1", b"")
    assert lines.startswith(b"Host: " + host + b"\r\n")
    assert (b"X-Forwarded-Host: a:8443\r\n" in lines) is forwarded


@pytest.mark.parametrize(
    "value", [b"a b", b"a/b", b"a@b", b"", b"a:b", b"a:123456", b"a,b", b"one\r\nX-Want: two"]
)
def test_a_header_that_is_no_host_is_refused(value: bytes) -> None:
    with pytest.raises(NoHost):
        plan("p", "a", **FROM_HEADER).lines(request("a", "/", b"X-Want: " + value + b"\r\n"), UP, b"", b"")


def test_a_socket_is_asked_for_the_host_that_the_client_asked_for() -> None:
    socket = Upstream("unix", "/run/app.sock", 0)
    assert plan("p", "a").lines(request("a:8443"), socket, b"", b"").startswith(b"Host: a:8443\r\n")


def test_a_path_that_makes_no_host_is_refused() -> None:
    made = plan("p", "a", **FROM_PATH)
    for path in ("/", "/b@d/x", "/" + "b/" * 5000):
        with pytest.raises(NoHost):
            made.lines(request("a", path), UP, b"", b"")
    assert made.lines_by_path and not plan("p", "a", **FROM_HEADER).lines_by_path


def test_ss_02_no_client_chooses_a_host_by_a_header_that_is_ours() -> None:
    forged = b"X-Pomerium-Claim-Email: evil\r\nX-Want: evil\r\n"
    made = plan("p", "a", host_rewrite_header="X-Pomerium-Claim-Email")
    assert made.lines(request("a", "/", forged), UP, b"", b"").startswith(b"Host: a\r\n")
    made = plan("p", "a", set_request_headers={"X-Want": "set"}, **FROM_HEADER)
    assert made.lines(request("a", "/", forged), UP, b"", b"X-Want: ours\r\n").startswith(b"Host: ours\r\n")
    with pytest.raises(NoHost):
        made.lines(request("a", "/", forged), UP, b"", b"X-Want: no host\r\n")


def test_an_address_in_a_header_is_a_host_if_it_needs_no_brackets() -> None:
    made = plan("p", "a", host_rewrite_header="X-Forwarded-For")
    assert made.lines(request("a"), UP, b"192.0.2.7", b"").startswith(b"Host: 192.0.2.7\r\n")
    with pytest.raises(NoHost):
        made.lines(request("a"), UP, b"2001:db8::7", b"")


def test_a_header_that_names_the_host_may_be_removed_then() -> None:
    made = plan("p", "a", remove_request_headers=("X-Want",), **FROM_HEADER)
    lines = made.lines(request("a", "/", b"X-Want: b\r\n"), UP, b"", b"")
    assert lines.startswith(b"Host: b\r\n") and b"X-Want" not in lines


def test_what_the_upstream_is_told_of_the_connection() -> None:
    lines = plan("p", "a").lines(
        request("a", "/", b"X-Forwarded-For: 9.9.9.9\r\nA: b\r\n"), UP, b"1.1.1.1,::1", b""
    )
    assert lines == (
        b"Host: up:80\r\nA: b\r\nX-Envoy-External-Address: ::1\r\nX-Forwarded-Proto: https\r\n"
        b"X-Forwarded-For: 1.1.1.1,::1\r\nX-Forwarded-Host: a\r\n"
    )
    assert b"X-Forwarded-For" not in plan("p", "a").lines(request("a"), UP, b"", b"")


def test_configured_headers_replace_all_others_of_the_name_under_every_alias() -> None:
    made = plan("p", "a", set_request_headers={"X_Forwarded-For": "set", "X-Email": "set"})
    asked = request("a", fields=b"x-email: sent\r\nX.Email: sent\r\nX-Email-Other: kept\r\n")
    lines = made.lines(asked, UP, b"9.9.9.9", b"X-Email: ours\r\n")
    assert b"sent" not in lines and b"9.9.9.9" not in lines and b"X-Email-Other: kept\r\n" in lines
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
    made = plan("p", "a", remove_request_headers=("X_Forwarded_Host", "A-B"))
    sent = b"A-B: 1\r\na.b: 2\r\nC: A-B: 3\r\nA-BC: 4\r\n"
    lines = made.lines(request("a", fields=sent), UP, b"::1", b"A_B: 5\r\n")
    assert b"X-Forwarded-Host" not in lines
    assert lines.startswith(b"Host: up:80\r\nC: A-B: 3\r\nA-BC: 4\r\nX-Envoy") and b"5" not in lines


def test_header_lines() -> None:
    assert header_lines({"A": "1", "B": "é"}) == b"A: 1\r\nB: \xc3\xa9\r\n"
    assert header_lines({"C": "€"}) == b"C: \xe2\x82\xac\r\n"
    assert header_lines({}) == b""
