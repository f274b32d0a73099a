"""Rows PN of the threat table: the path that is decided on is the path that is sent."""

from __future__ import annotations

from typing import Any

import pytest
from pytest_twisted import ensureDeferred

from tests.doors import OnLoopback


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
    row("PN-07", b"/;/admin", b"/;/admin"),
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
