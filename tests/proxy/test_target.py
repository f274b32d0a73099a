from __future__ import annotations

import re
import string
from urllib.parse import unquote_to_bytes

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pomerium_tw.model import Target
from pomerium_tw.proxy import HeadRules
from pomerium_tw.proxy.head import HeadError, parse_head
from pomerium_tw.proxy.target import (
    ASTERISK,
    MAX_TARGET_BYTES,
    HeldTarget,
    TargetRules,
    is_sendable,
    parse_request_line,
    parse_target,
    without_parameters,
)

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
        (b"/%61%5a%30%2D%2e%5f%7e%7Ex", b"/aZ0-._~~x"),
        (b"/%2570", b"/%2570"),
        (b"/%25%37%30", b"/%2570"),
        (
            b"/%20%21%2a%2b%2C%3a%3B%3d%40%5B%60%7b%7D%c3%A9",
            b"/%20%21%2a%2b%2C%3a%3B%3d%40%5B%60%7b%7D%c3%A9",
        ),
        (b"/%70?%70", b"/p?%70"),
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


def test_an_ipv6_address_is_the_same_host_in_every_spelling() -> None:
    head = parse_head(b"Host: [2001:db8::1]:8443\r\n", HeadRules())
    for named in (b"[2001:DB8:0::1]:8443", b"[2001:db8::1]:8443", b"[2001:db8::1]"):
        assert parse_target("GET", b"http://" + named + b"/x", head, TargetRules()).raw == b"/x"
    for other in (b"[2001:db8::2]:8443", b"[2001:db8::1]:80", b"[2001:db8::1::]"):
        with pytest.raises(HeadError):
            parse_target("GET", b"http://" + other + b"/x", head, TargetRules())


def test_options_may_ask_about_the_server() -> None:
    assert target_of(b"*", method="OPTIONS") is ASTERISK


def test_rules_can_be_relaxed() -> None:
    assert target_of(b"//a", TargetRules(merge_slashes=False)).raw_path == b"//a"
    assert target_of(b"/a//../b", TargetRules(merge_slashes=False)).raw_path == b"/a/b"
    assert target_of(b"/a/../b", TargetRules(normalize_path=False)).raw_path == b"/a/../b"
    assert target_of(b"/a//%2e%61", TargetRules(normalize_path=False)).raw_path == b"/a/%2e%61"


@pytest.mark.parametrize(("raw", "slashed"), [(b"/a%2fb?c%2F", b"/a/b?c%2F"), (b"/a%5Cb", b"/a/b")])
def test_escaped_slashes_are_kept_or_unescaped_or_held(raw: bytes, slashed: bytes) -> None:
    assert target_of(raw, TargetRules(escaped_slashes="keep_unchanged")).raw == raw
    assert target_of(raw, TargetRules(escaped_slashes="unescape_and_forward")).raw == slashed
    held = target_of(raw, TargetRules(escaped_slashes="unescape_and_redirect"))
    assert type(held) is HeldTarget and (held.raw, held.unescaped.raw) == (raw, slashed)
    held = target_of(raw, TargetRules(escaped_slashes_by_route=True))
    assert type(held) is HeldTarget and (held.raw, held.dotted) == (raw, False)
    assert type(target_of(b"/a%20b", TargetRules(escaped_slashes_by_route=True))) is Target


@pytest.mark.parametrize("raw", [b"/a%2f..%2fb", b"/a%5c..%5cb", b"/a%2f..", b"/a%2f.", b"/a%2f..;x"])
def test_kept_slashes_hide_no_dot_segment(raw: bytes) -> None:
    assert refused(raw, TargetRules(escaped_slashes="keep_unchanged")) == 400


@pytest.mark.parametrize(
    ("raw", "seen"),
    [
        (b"/admin;x=1/", "/admin/"),
        (b"/;/admin", "/admin"),
        (b"/a;/b;c=d;e", "/a/b"),
        (b"/;x", "/"),
        (b"/a%3Bb/c", "/a/c"),
    ],
)
def test_pn_07_what_servers_see_that_cut_parameters_off(raw: bytes, seen: str) -> None:
    target = target_of(raw)
    cut = without_parameters(target)
    assert cut is not None and (cut.path, cut.raw_path) == (seen, target.raw_path)
    assert without_parameters(cut) is None


@pytest.mark.parametrize(
    "path", [b"/", b"/a/b.c", b"/%20", b"/a..b/...", b"/;x", b"/a//b", b"/%C3%A9", b"/%2Fa"]
)
def test_paths_that_can_be_sent(path: bytes) -> None:
    assert is_sendable(path)


@pytest.mark.parametrize(
    "path",
    [
        b"",
        b"a",
        b"//a",
        b"/..",
        b"/a/./b",
        b"/%2e%2E/b",
        b"/..;x",
        b"/a\\b",
        b"/?",
        b"/#",
        b"/ ",
        b"/\xe9",
        b"/\n",
        b"/%",
        b"/%2",
        b"/%00",
        b"/%7f",
        b"/%ff",
        b"/a\r\n",
        b"/%c0%ae",
    ],
)
def test_paths_that_cannot(path: bytes) -> None:
    assert not is_sendable(path)


PIECES = st.sampled_from(
    b"/ // . .. %2e %2E %2f %5C \\ ; %3b a %41 %2d 70 %25 %c3%a9 ? # http://a % %00 = & * \xff \x1f".split()
)
TARGETS = st.lists(PIECES, max_size=12).map(b"".join) | st.binary(max_size=30)


@given(TARGETS)
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
    assert is_sendable(target.raw_path)
    assert target_of(target.raw) == target


RULES = st.builds(
    TargetRules,
    normalize_path=st.booleans(),
    merge_slashes=st.booleans(),
    escaped_slashes=st.sampled_from(
        ("keep_unchanged", "reject_request", "unescape_and_redirect", "unescape_and_forward")
    ),
    escaped_slashes_by_route=st.booleans(),
)


@given(TARGETS, RULES)
@example(b"/%2f%2e%2e%5c.", TargetRules(escaped_slashes="unescape_and_forward"))
def test_pn_18_under_all_rules_what_is_decided_is_sent_and_stays(raw: bytes, rules: TargetRules) -> None:
    try:
        target = target_of(raw, rules)
    except HeadError as error:
        assert error.status == 400
        return
    forms = [target, target.unescaped] if isinstance(target, HeldTarget) else [target]
    for form in forms:
        assert unquote_to_bytes(form.raw_path).decode() == form.path
        assert form.raw_path.startswith(b"/") and b"\\" not in form.raw_path
        assert target_of(form.raw, rules) == form
    segments = set(forms[-1].path.replace("\\", "/").split("/"))
    if rules.normalize_path and not getattr(target, "dotted", False):
        assert not {".", ".."} & segments


@given(TARGETS)
def test_no_letter_digit_or_unreserved_sign_stays_escaped(raw: bytes) -> None:
    try:
        path = target_of(raw).raw_path
    except HeadError:
        return
    escaped = {unquote_to_bytes(escape) for escape in re.findall(rb"%..", path)}
    assert not escaped & {bytes((each,)) for each in (string.ascii_letters + string.digits + "-._~").encode()}
