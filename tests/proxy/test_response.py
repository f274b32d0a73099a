from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pomerium_tw.model import HeaderRewrite, Route
from pomerium_tw.proxy import ResponseRules
from pomerium_tw.proxy.head import MAX_HEADERS, MAX_OPTIONS
from pomerium_tw.proxy.response import ResponseError, ResponseHead, parse_response_head
from pomerium_tw.session import owned_cookie_pattern


def read(
    *lines: bytes, status: bytes = b"HTTP/1.1 200 OK", overwritten: frozenset[bytes] = frozenset()
) -> ResponseHead:
    rules = ResponseRules(overwritten, owned_cookie_pattern("_pomerium"))
    return parse_response_head(b"\r\n".join([status, *lines, b""]), rules)


def test_facts_and_lines() -> None:
    head = read(b"content-TYPE:  text/plain ", b"Content-Length: 5")
    assert (head.status, head.status_line, head.length, head.chunked, head.reusable) == (
        200,
        b"200 OK",
        5,
        False,
        True,
    )
    assert head.lines == b"content-TYPE:  text/plain \r\nContent-Length: 5\r\n"


def test_a_reason_phrase_may_be_missing() -> None:
    assert read(status=b"HTTP/1.1 404").status_line == b"404 "


def test_what_belongs_to_the_connection_or_to_us_stays_here() -> None:
    head = read(
        b"Connection: close, X-Hop",
        b"X-Hop: 1",
        b"Keep-Alive: 5",
        b"Transfer-Encoding: chunked",
        b"X-Request-Id: theirs",
        b"X_Request.Id: theirs",
        b"X-Frame-Options: theirs",
        b"A: kept",
        overwritten=frozenset((b"x-frame-options",)),
    )
    assert head.lines == b"A: kept\r\n"
    assert head.chunked
    assert not head.reusable


def test_a_connection_line_longer_than_anybody_means_is_refused() -> None:
    options = b",".join(b"x-%d" % number for number in range(MAX_OPTIONS))
    assert read(b"Connection: " + options, b"X-99: 1").lines == b""
    for lines in ([b"Connection: " + options + b",x"], [b"Connection: x"] * (MAX_OPTIONS + 1)):
        with pytest.raises(ResponseError):
            read(*lines)


def test_connection_cannot_take_the_meaning_of_an_answer_away() -> None:
    assert read(b"Connection: content-length", b"Content-Length: 5").lines == b"Content-Length: 5\r\n"


def test_a_204_has_no_length() -> None:
    assert read(b"Content-Length: 0", status=b"HTTP/1.1 204 No Content").lines == b""
    assert read(b"Content-Length: 9", status=b"HTTP/1.1 304 Not Modified").lines == b"Content-Length: 9\r\n"


def test_nor_has_a_101() -> None:
    head = read(b"Content-Length: 0", b"X: 1", status=b"HTTP/1.1 101 Switching Protocols")
    assert head.lines == b"X: 1\r\n"


def test_http_1_0_connections_are_used_once_unless_kept() -> None:
    assert not read(status=b"HTTP/1.0 200 OK").reusable
    assert read(b"Connection: Keep-Alive", status=b"HTTP/1.0 200 OK").reusable


def test_headers_are_rewritten_where_their_beginning_matches_and_what_is_set_wins() -> None:
    rewrites = (
        HeaderRewrite("Location", "http://up:80", "https://a"),
        HeaderRewrite("location", "https://a/old", "https://a/new"),
        HeaderRewrite("X-Set", "", "never"),
        HeaderRewrite("X-Any", "", "more "),
    )
    route = Route(
        "r", "r", "a", None, rewrite_response_headers=rewrites, set_response_headers={"x-set": "ours"}
    )
    block = (
        b"HTTP/1.1 302 Found\r\nLOCATION:  http://up:80/old/x\r\nLocation: /http://up:80\r\n"
        b"X-Set: theirs\r\nX-Any:\r\nX-Other: http://up:80\r\n"
    )
    assert parse_response_head(block, ResponseRules.of(route)).lines == (
        b"LOCATION: https://a/new/x\r\nLocation: /http://up:80\r\nX-Any: more \r\nX-Other: http://up:80\r\n"
        b"x-set: ours\r\n"
    )


@pytest.mark.parametrize(
    "lines",
    [
        [b"Content-Length: 5", b"Transfer-Encoding: chunked"],
        [b"Content-Length: 5", b"Content-Length: 5"],
        [b"Content-Length: +5"],
        [b"Content-Length: 5, 5"],
        [b"Transfer-Encoding: gzip, chunked"],
        [b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"],
        [b"X: \x00"],
        [b"X : a"],
        [b" folded: a"],
        [b"X: a\n b"],
        [b"X: 1"] * (MAX_HEADERS + 1),
    ],
)
def test_answers_whose_end_or_meaning_is_not_certain_are_refused(lines: list[bytes]) -> None:
    with pytest.raises(ResponseError):
        read(*lines)


@pytest.mark.parametrize(
    "status", [b"HTTP/2 200 OK", b"HTTP/1.1 20 OK", b"HTTP/1.1 000 x", b"ICY 200 OK", b""]
)
def test_status_lines_that_are_none(status: bytes) -> None:
    with pytest.raises(ResponseError):
        read(status=status)


@given(st.binary(max_size=120))
def test_arbitrary_bytes_are_read_or_refused(block: bytes) -> None:
    for candidate in (block, b"HTTP/1.1 200 OK\r\n" + block + b"\r\n"):
        try:
            head = parse_response_head(candidate, ResponseRules())
        except ResponseError:
            continue
        assert head.lines == b"" or head.lines.endswith(b"\r\n")


def test_whether_it_is_dated_is_known_and_nobody_takes_the_date_away() -> None:
    assert not read(b"Content-Length: 0").dated
    head = read(b"Date: Mon, 23 Nov 2026 00:00:00 GMT", b"Connection: date")
    assert head.dated
    assert head.lines == b"Date: Mon, 23 Nov 2026 00:00:00 GMT\r\n"
    assert read(overwritten=frozenset((b"date",))).dated


@pytest.mark.parametrize("name", [b"Proxy-Authenticate", b"Proxy-Authentication-Info", b"TE"])
def test_what_is_between_two_neighbours_goes_no_further(name: bytes) -> None:
    assert read(name + b": x").lines == b""


def test_no_rule_makes_a_cookie_of_ours() -> None:
    rules = ResponseRules(
        own_cookies=owned_cookie_pattern("_pomerium"), rewrites={b"set-cookie": ((b"app-", b""),)}
    )
    block = b"HTTP/1.1 200 OK\r\nSet-Cookie: app-_pomerium=stolen\r\nSet-Cookie: app-a=1\r\n"
    assert parse_response_head(block, rules).lines == b"Set-Cookie: a=1\r\n"
