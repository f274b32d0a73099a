"""Rows PN of the threat table: the path that is decided on is the path that is sent."""

from __future__ import annotations

from typing import Any

import pytest
from pytest_twisted import ensureDeferred

from pomerium_tw.model import DirectResponse, HeaderRewrite, Redirect, Substitution
from pomerium_tw.proxy import TargetRules
from tests.doors import NOBODY, OnLoopback, guarded
from tests.threats.conftest import ADMIN_DENIED


def get(target: bytes, host: bytes = b"guarded") -> bytes:
    return b"GET " + target + b" HTTP/1.1\r\nHost: " + host + b"\r\n\r\n"


def row(name: str, target: bytes, *expected: Any) -> Any:
    return pytest.param(target, *expected, id=f"{name} {target!r}")


DENIED_OR_REFUSED = [
    row("PN-01", b"/public/../admin", 403),
    row("PN-02", b"/public/%2e%2e/admin", 403),
    row("PN-02", b"/public/%2E./admin", 403),
    row("PN-02", b"/public/.%2e/admin", 403),
    row("PN-03", b"/public%2f..%2fadmin", 400),
    row("PN-05", b"//admin", 403),
    row("PN-05", b"///admin//x", 403),
    row("PN-06", b"/public\\..\\admin", 400),
    row("PN-06", b"/public%5c..%5cadmin", 400),
    row("PN-07", b"/..;/admin", 400),
    row("PN-07", b"/admin;x=1/", 403),
    row("PN-07", b"/;/admin", 403),
    row("PN-07", b"/x;y/..;/admin", 400),
    row("PN-07", b"/;x=1/;y=2/admin", 403),
    row("PN-08", b"/%00", 400),
    row("PN-08", b"/%0a", 400),
    row("PN-08", b"/%0d", 400),
    row("PN-08", b"/%7f", 400),
    row("PN-09", b"/admin#x", 400),
    row("PN-11 escaped letters", b"/%61dmin", 403),
    row("PN-12", "/％2e".encode(), 400),
    row("PN-12", b"/%c0%ae%c0%ae/admin", 400),
    row("PN-15", b"*", 400),
    row("PN-16", b"http://other/x", 400),
    row("PN-17", b"/.pomerium%2fuser", 400),
]


@pytest.mark.parametrize(("target", "status"), DENIED_OR_REFUSED)
@ensureDeferred
async def test_no_spelling_of_a_denied_path_gets_through(
    place: OnLoopback, target: bytes, status: int
) -> None:
    caller = await place.call(get(target))
    assert (await caller.answer()).status == status
    if status == 400:
        await caller.end()
    assert place.upstream.seen == b""


ALLOWED = [
    row("PN-01", b"/admin/../public", b"/public"),
    row("PN-04", b"/%252e%252e/admin", b"/%252e%252e/admin"),
    row("PN-05", b"/a//b", b"/a/b"),
    row("PN-05", b"///", b"/"),
    row("PN-07", b"/x;jsessionid=1/y", b"/x;jsessionid=1/y"),
    row("PN-09", b"/x%23y", b"/x%23y"),
    row("PN-10", b"/api?x=/admin", b"/api?x=/admin"),
    row("PN-11", b"/ADMIN", b"/ADMIN"),
    row("PN-12 NFC", b"/%C3%A9", b"/%C3%A9"),
    row("PN-12 NFD", b"/e%CC%81", b"/e%CC%81"),
    row("PN-16", b"http://guarded/x", b"/x"),
    row("PN-17", b"/.pomerium/../x", b"/x"),
]


@pytest.mark.parametrize(("target", "seen"), ALLOWED)
@ensureDeferred
async def test_the_upstream_gets_the_path_that_was_decided_on(
    place: OnLoopback, target: bytes, seen: bytes
) -> None:
    caller = await place.call(get(target))
    assert (await caller.answer()).status == 200
    assert place.upstream.seen.startswith(b"GET " + seen + b" HTTP/1.1\r\n")


@pytest.mark.parametrize("host", [b"GUARDED", b"guarded.", b"guarded:443", b"guarded:80", b"Guarded.:8443"])
@ensureDeferred
async def test_pn_11_hosts_are_matched_in_one_form(place: OnLoopback, host: bytes) -> None:
    caller = await place.call(get(b"/admin", host))
    assert (await caller.answer()).status == 403


@pytest.mark.parametrize(
    ("target", "seen"),
    [
        (b"/a/../b", None),
        (b"/a//evil.com", b"/evil.com"),
        (b"/a/x?y", b"/x?y"),
        (b"/a", b"/"),
        (b"/ab", b"/b"),
        (b"/a%20b", b"/%20b"),
    ],
)
@ensureDeferred
async def test_pn_13_rewriting_begins_with_the_normal_form(
    place: OnLoopback, target: bytes, seen: bytes | None
) -> None:
    caller = await place.call(get(target, b"rewritten"))
    assert (await caller.answer()).status == (200 if seen else 404)
    if seen:
        assert place.upstream.seen.startswith(b"GET " + seen + b" HTTP/1.1\r\n")


@pytest.mark.parametrize("target", [b"/a../secret", b"/a..", b"/a./x", b"/a..;x/secret"])
@ensureDeferred
async def test_pn_14_rewriting_never_makes_a_dot_segment(place: OnLoopback, target: bytes) -> None:
    caller = await place.call(get(target, b"rewritten"))
    assert (await caller.answer()).status == 400
    assert place.upstream.seen == b""


@ensureDeferred
async def test_pn_15_options_of_the_server_is_answered_here(place: OnLoopback) -> None:
    caller = await place.call(b"OPTIONS * HTTP/1.1\r\nHost: members\r\n\r\n")
    answer = await caller.answer()
    assert (answer.status, place.upstream.seen) == (200, b"")


@pytest.mark.parametrize("target", [b"//.pomerium/form", b"/x/../.pomerium/form", b"/%2epomerium/form"])
@ensureDeferred
async def test_pn_17_reserved_paths_are_found_in_the_normal_form(place: OnLoopback, target: bytes) -> None:
    caller = await place.call(get(target, b"members"))
    answer = await caller.answer()
    assert (answer.status, answer.body) == (200, b"page")
    assert place.upstream.seen == b""


BY_PATTERN = (
    guarded("cut", regex_rewrite=Substitution("^/cut/?", "/")),
    guarded("sign", prefix="/@cut/", regex_rewrite=Substitution("^/@cut/", "/")),
    guarded("dots", regex_rewrite=Substitution("dot", ".")),
    guarded("lines", regex_rewrite=Substitution("line", "\r\nX-Evil: 1")),
    guarded("host", host_path_rewrite=Substitution("^/([^/]*).*$", r"\1.test")),
)


@pytest.mark.parametrize(
    ("host", "target", "seen"),
    [
        (b"cut", b"/cut/x?y", b"/x?y"),
        (b"cut", b"/cut//evil.com", b"/evil.com"),
        (b"cut", b"/cut", b"/"),
        (b"cut", b"/x/../cut/admin", b"/admin"),
        (b"cut", b"/%63u%74/admin", b"/admin"),
        (b"cut", b"/%2563ut/admin", b"/%2563ut/admin"),
        (b"sign", b"/@cut/admin", b"/admin"),
        (b"sign", b"/%40cut/admin", None),
        (b"dots", b"/a/dotdot/x", None),
        (b"dots", b"/a/dot", None),
        (b"dots", b"/a/dotdot;x", None),
        (b"lines", b"/line", None),
        (b"lines", b"/x", b"/x"),
        (b"host", b"/u@evil/x", None),
        (b"host", b"/", None),
        (b"host", b"/b/u@evil", b"/b/u@evil"),
    ],
)
@ensureDeferred
async def test_pn_14_a_pattern_makes_one_normal_path_or_none(
    opened: Any, host: bytes, target: bytes, seen: bytes | None
) -> None:
    place = opened(*BY_PATTERN)
    caller = await place.call(get(target, host))
    answer = await caller.answer()
    assert answer.status == (200 if seen else 400)
    assert place.upstream.seen.startswith(b"GET %b HTTP/1.1\r\n" % seen if seen else b"")
    assert bool(place.upstream.seen) is bool(seen)


KEEPING = (
    guarded("guarded", ADMIN_DENIED, prefix="/kept", escaped_slashes="keep_unchanged"),
    guarded("guarded", ADMIN_DENIED),
)


@pytest.mark.parametrize(
    ("action", "target", "expected"),
    [
        ("reject_request", b"/kept/a%2fb%5Cc", b"/kept/a%2fb%5Cc"),
        ("reject_request", b"/kept%2f..%2fadmin", 400),
        ("reject_request", b"/kept%5c..%5cadmin", 400),
        ("reject_request", b"/x%2fy", 400),
        ("unescape_and_forward", b"/kept/a%2fb", b"/kept/a%2fb"),
        ("unescape_and_forward", b"/x%2fy?a%2fb", b"/x/y?a%2fb"),
        ("unescape_and_forward", b"/x%2f..%2fadmin", 403),
        ("unescape_and_forward", b"/x%5c..%5cadmin", 403),
        ("unescape_and_redirect", b"/x%2f..%2fadmin", 307),
        ("keep_unchanged", b"/x%2fy", b"/x%2fy"),
        ("keep_unchanged", b"/admin%2fy", 403),
        ("keep_unchanged", b"/x%2f..%2fadmin", 400),
    ],
)
@pytest.mark.parametrize("by_route", [True, False])
@ensureDeferred
async def test_pn_03_what_escaped_slashes_mean(
    opened: Any, by_route: bool, action: Any, target: bytes, expected: int | bytes
) -> None:
    if not by_route and target.startswith(b"/kept/"):
        return  # it is the route that keeps them there
    rules = TargetRules(escaped_slashes=action, escaped_slashes_by_route=by_route)
    place = opened(*(KEEPING if by_route else KEEPING[1:]), target_rules=rules)
    caller = await place.call(get(target))
    answer = await caller.answer()
    if isinstance(expected, bytes):
        assert answer.status == 200
        assert place.upstream.seen.startswith(b"GET %b HTTP/1.1\r\n" % expected)
    else:
        assert (answer.status, place.upstream.seen) == (expected, b"")
    if expected == 307:
        assert answer.header("location") == "/admin"


ANSWERING = (
    guarded("moved", to=(), redirect=Redirect(host="b.test", prefix="/new"), prefix="/old"),
    guarded("private", NOBODY, to=(), redirect=Redirect(host="b.test")),
    guarded("said", to=(), response=DirectResponse(418, "tea"), set_response_headers={"X-Set": "1"}),
    guarded("rewrites", rewrite_response_headers=(HeaderRewrite("Location", "http://up/", "https://a/"),)),
)


@pytest.mark.parametrize(
    ("host", "target", "status", "location"),
    [
        (b"moved", b"/old/x?y", 301, "http://b.test/new/x?y"),
        (b"moved", b"/old//evil.com", 301, "http://b.test/new/evil.com"),
        (b"moved", b"/old/../x", 404, None),
        (b"private", b"/", 403, None),
        (b"said", b"/x", 418, None),
    ],
)
@ensureDeferred
async def test_pn_13_routes_that_answer_by_themselves_are_decided_on_too(
    opened: Any, host: bytes, target: bytes, status: int, location: str | None
) -> None:
    place = opened(*ANSWERING)
    answer = await (await place.call(get(target, host))).answer()
    assert (answer.status, answer.header("location")) == (status, location)
    assert answer.header("x-request-id")
    assert (answer.header("x-set"), answer.body) == ("1", b"tea") if host == b"said" else True
    assert place.upstream.seen == b""


@ensureDeferred
async def test_response_headers_are_rewritten(opened: Any) -> None:
    place = opened(*ANSWERING)
    place.upstream.script["/"] = b"HTTP/1.1 302 Found\r\nLOCATION: http://up/x\r\nContent-Length: 0\r\n\r\n"
    answer = await (await place.call(get(b"/", b"rewrites"))).answer()
    assert answer.header("location") == "https://a/x"


@pytest.mark.parametrize("target", [b"/@evil", b"//evil/x", b"/http://evil/", b"/evil:80", b"/evil%40x"])
@ensureDeferred
async def test_ss_02_a_host_made_of_the_path_is_not_where_to_connect(opened: Any, target: bytes) -> None:
    place = opened(*BY_PATTERN)
    answer = await (await place.call(get(target, b"host"))).answer()
    assert (answer.status, b"\r\nHost: evil.test\r\n" in place.upstream.seen) in ((400, False), (200, True))
    assert {each.upstream.host for each in place.door.endpoints} == {"up"}
