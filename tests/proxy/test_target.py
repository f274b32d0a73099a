from __future__ import annotations

from urllib.parse import unquote_to_bytes

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pomerium_tw.model import Target
from pomerium_tw.proxy import HeadRules
from pomerium_tw.proxy.head import HeadError, parse_head
from pomerium_tw.proxy.target import ASTERISK, MAX_TARGET_BYTES, TargetRules, parse_request_line, parse_target

HEAD = parse_head(b"Host: a:8443\r\n", HeadRules())


def target_of(raw: bytes, rules: TargetRules | None = None, method: str = "GET") -> Target:
    return parse_target(method, raw, HEAD, rules or TargetRules())


def refused(raw: bytes, rules: TargetRules | None = None, method: str = "GET") -> int:
    with pytest.raises(HeadError) as caught:
        target_of(raw, rules, method)
    return caught.value.status


@pytest.mark.parametrize(
    ("line", "status"),
    [
        (b"GET / HTTP/1.0", 426),
        (b"GET / HTTP/2.0", 505),
        (b"GET / HTTP/9.9", 505),
        (b"GET / HTTP/1.2", 505),
        (b"GET / HTTP/0.9", 400),
        (b"GET / http/1.1", 400),
        (b"GET /", 400),
        (b"GET  / HTTP/1.1", 400),
        (b"GET / HTTP/1.1 ", 400),
        (b" GET / HTTP/1.1", 400),
        (b"GET\t/\tHTTP/1.1", 400),
        (b"", 400),
        (b"get / HTTP/1.1", 405),
        (b"G:T / HTTP/1.1", 400),
        (b"A" * 33 + b" / HTTP/1.1", 405),
        (b"GET /" + b"a" * MAX_TARGET_BYTES + b" HTTP/1.1", 414),
    ],
)
def test_request_lines_that_are_refused(line: bytes, status: int) -> None:
    with pytest.raises(HeadError) as caught:
        parse_request_line(line)
    assert caught.value.status == status


@pytest.mark.parametrize(
    ("raw", "normal"),
    [
        (b"/", b"/"),
        (b"/a/b.c/", b"/a/b.c/"),
        (b"/public/../admin", b"/admin"),
        (b"/public/%2e%2e/admin", b"/admin"),
        (b"/public/%2E./admin", b"/admin"),
        (b"/public/.%2e/admin", b"/admin"),
        (b"/..", b"/"),
        (b"/a/..", b"/"),
        (b"/a/.", b"/a/"),
        (b"/../../x", b"/x"),
        (b"//admin", b"/admin"),
        (b"/a//admin", b"/a/admin"),
        (b"///", b"/"),
        (b"/a/.//../b", b"/b"),
        (b"/%252e%252e/admin", b"/%252e%252e/admin"),
        (b"/a%20b", b"/a%20b"),
        (b"http://a:8443/x?y", b"/x?y"),
        (b"HTTPS://A/x", b"/x"),
        (b"http://a", b"/"),
        (b"http://a?q", b"/?q"),
        (b"/x?y=//../%2f", b"/x?y=//../%2f"),
        (b"/x?", b"/x?"),
        (b"/%23x", b"/%23x"),
    ],
)
def test_normal_forms(raw: bytes, normal: bytes) -> None:
    assert target_of(raw).raw == normal


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"*",
        b"x",
        b"a:1",
        b"http://other/x",
        b"http:a",
        b"ftp://a/x",
        b"/a#b",
        b"/a?b#c",
        b"/a b",
        b"/a\x00",
        b"/\xff",
        b"/%00",
        b"/%0a",
        b"/%0D",
        b"/%7f",
        b"/%",
        b"/%zz",
        b"/a\\b",
        b"/a%5cb",
        b"/a%2fb",
        b"/..;/admin",
        b"/%2e%2e;x/admin",
        b"/%c0%ae%c0%ae/admin",
        b"/%ff",
    ],
)
def test_targets_that_are_refused(raw: bytes) -> None:
    assert refused(raw) == 400


def test_options_may_ask_about_the_server() -> None:
    assert target_of(b"*", method="OPTIONS") is ASTERISK


def test_rules_can_be_relaxed() -> None:
    keep = TargetRules(escaped_slashes="keep_unchanged")
    assert target_of(b"/a%2fb", keep).raw_path == b"/a%2fb"
    assert target_of(b"//a", TargetRules(merge_slashes=False)).raw_path == b"//a"
    assert target_of(b"/a/../b", TargetRules(normalize_path=False)).raw_path == b"/a/../b"


PIECES = st.sampled_from(
    b"/ // . .. %2e %2E %2f %5C \\ ; %3b a %41 %25 %c3%a9 ? # http://a % %00 = & * \xff \x1f".split()
)


@given(st.lists(PIECES, max_size=12).map(b"".join) | st.binary(max_size=30))
@example(b"/./../..//.")
def test_what_is_decided_is_what_is_sent_and_normal_forms_stay(raw: bytes) -> None:
    try:
        target = target_of(raw)
    except HeadError as error:
        assert error.status == 400
        return
    assert unquote_to_bytes(target.raw_path).decode() == target.path
    assert target.raw_path.startswith(b"/")
    assert not {b"", b".", b".."} & set(target.raw_path.split(b"/")[1:-1])
    assert target.raw_path.split(b"/")[-1] not in (b".", b"..")
    assert target_of(target.raw) == target
