from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pomerium_tw.proxy.head import (
    MAX_HEAD_BYTES,
    MAX_HEADERS,
    MAX_OPTIONS,
    HeadError,
    incomplete_fault,
    parse_head,
)
from pomerium_tw.proxy.header_names import HeadRules
from pomerium_tw.session import owned_cookie_pattern

RULES = HeadRules(own_cookies=owned_cookie_pattern("_pomerium"), owned_names=frozenset((b"x-email",)))


def head_of(*lines: bytes, rules: HeadRules = RULES):
    return parse_head(b"Host: a\r\n" + b"".join(line + b"\r\n" for line in lines), rules)


def refused(*lines: bytes, rules: HeadRules = RULES) -> int:
    with pytest.raises(HeadError) as caught:
        head_of(*lines, rules=rules)
    return caught.value.status


def test_lines_travel_on_byte_for_byte() -> None:
    assert head_of(b"aCCept:  x ", b"X-B:\t\xff").passed == b"aCCept:  x \r\nX-B:\t\xff\r\n"


def test_values_are_found_by_lower_case_name_and_joined() -> None:
    head = head_of(b"Accept: a", b"ACCEPT: b")
    assert head.get(b"accept") == b"a, b"
    assert head.get(b"absent") is None


@pytest.mark.parametrize(
    ("value", "host", "port"),
    [
        (b"A.Example.COM", "a.example.com", None),
        (b"a.example.com.", "a.example.com", None),
        (b"a:8443", "a", 8443),
        (b"[::1]:80", "[::1]", 80),
        (b"[2001:DB8:0::1]", "[2001:db8::1]", None),
        (b"[::ffff:192.0.2.1]:8443", "[::ffff:c000:201]", 8443),
        (b" a\t", "a", None),
    ],
)
def test_the_host_is_normalised(value: bytes, host: str, port: int | None) -> None:
    head = parse_head(b"Host:" + value + b"\r\n", RULES)
    assert (head.host, head.port) == (host, port)


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"a b",
        b"a,b",
        b"a@b",
        b"a/b",
        b"a:0",
        b"a:65536",
        b"a:",
        b"[::1",
        b"[::1::]",
        b"[1.2.3.4]",
        b"a..b",
        b"a..",
        b"a.b..:80",
        b".a",
    ],
)
def test_a_host_that_is_none_is_refused(value: bytes) -> None:
    with pytest.raises(HeadError) as caught:
        parse_head(b"Host: " + value + b"\r\n", RULES)
    assert caught.value.status == 400


def test_exactly_one_host_is_wanted() -> None:
    assert refused(b"Host: a") == 400
    with pytest.raises(HeadError):
        parse_head(b"Accept: x\r\n", RULES)


def test_framing_is_one_length_or_chunked_or_nothing() -> None:
    assert (head_of().content_length, head_of().chunked) == (None, False)
    assert head_of(b"Content-Length: 12").content_length == 12
    assert head_of(b"Transfer-Encoding: Chunked").chunked


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        ([b"Content-Length: 3", b"Content-Length: 3"], 400),
        ([b"Content-Length: 3", b"Transfer-Encoding: chunked"], 400),
        ([b"Content-Length: "], 400),
        ([b"Transfer-Encoding: chunked", b"Transfer-Encoding: identity"], 400),
        ([b"Transfer-Encoding: identity, chunked"], 400),
        ([b"Transfer-Encoding: "], 501),
        ([b"Transfer-Encoding: gzip, chunked"], 501),
        ([b"Transfer-Encoding: br"], 501),
        ([b"Expect: y 100-continue"], 417),
        ([b"Expect: 100-continue", b"Expect: 100-continue"], 417),
    ],
)
def test_ambiguous_or_unknown_framing_is_refused(lines: list[bytes], status: int) -> None:
    assert refused(*lines) == status


def test_hop_by_hop_and_nominated_headers_stay_here() -> None:
    head = head_of(b"Connection: close, X-Private", b"X-Private: 1", b"Keep-Alive: 5", b"Te: x", b"Accept: x")
    assert head.close
    assert head.passed == b"Accept: x\r\n"


@pytest.mark.parametrize("value", [b"trailers", b"gzip;q=0.5, Trailers"])
def test_that_a_client_reads_trailers_is_told_and_nothing_else_of_te(value: bytes) -> None:
    assert head_of(b"Connection: TE", b"TE: " + value).passed == b"TE: trailers\r\n"


@pytest.mark.parametrize(
    ("values", "by_connection"),
    [
        ([b"NTLM TlRM"], True),
        ([b"negotiate YII"], True),
        ([b"Basic bmVnbw==", b"Negotiate YII"], True),
        ([b"Basic bmVnbw=="], False),
        ([], False),
    ],
)
def test_credentials_that_hold_for_a_connection_are_told(values: list[bytes], *, by_connection: bool) -> None:
    head = head_of(*(b"Authorization: " + value for value in values))
    assert head.by_connection is by_connection


def test_repeated_names_keep_every_value_in_its_place() -> None:
    head = head_of(b"A: 1", b"B: 2", b"a: 3", b"Cookie: x=1", b"Cookie: y=2")
    assert head.fields == (
        *((b"host", b"a"), (b"a", b"1"), (b"b", b"2"), (b"a", b"3")),
        *((b"cookie", b"x=1"), (b"cookie", b"y=2")),
    )
    assert (head.get(b"a"), head.cookie) == (b"1, 3", b"x=1; y=2")
    assert head.passed == b"A: 1\r\nB: 2\r\na: 3\r\nCookie: x=1; y=2\r\n"


def test_lines_that_count_as_never_sent_are_no_repetition() -> None:
    head = head_of(b"X_A: 1", b"X_A: 2", b"A: 3", rules=HeadRules(underscores="drop_header"))
    assert head.fields == ((b"host", b"a"), (b"a", b"3"))


@pytest.mark.parametrize("line", [b"Accept", b"X_A", b"X-A", b": a", b"Host"])
def test_a_line_without_a_name_or_a_colon_is_refused_whatever_is_dropped(line: bytes) -> None:
    assert refused(line, rules=HeadRules(underscores="drop_header")) == 400


def test_connection_cannot_nominate_what_an_upstream_relies_on() -> None:
    head = head_of(
        b"Connection: cookie, authorization, content-type", b"Authorization: Basic x", b"Cookie: a=1"
    )
    assert head.passed == b"Authorization: Basic x\r\nCookie: a=1\r\n"


@pytest.mark.parametrize(
    "name",
    [
        b"X-Pomerium-Foo",
        b"x.pomerium.foo",
        b"X-Pomerium.Foo",
        b"x!pomerium~foo",
        b"X-EMAIL",
        b"x.email",
        b"X|Email",
    ],
)
def test_headers_that_are_ours_are_removed_under_any_alias(name: bytes) -> None:
    assert head_of(name + b": forged").passed == b""


def test_underscored_names_are_refused_dropped_or_judged_by_their_alias() -> None:
    assert refused(b"X_A: 1") == 400
    assert head_of(b"X_A: 1", b"Content_Length: 5", rules=HeadRules(underscores="drop_header")).passed == b""
    allowing = HeadRules(underscores="allow", owned_names=frozenset((b"x-email",)))
    head = head_of(b"X_A: 1", b"X_Email: 2", b"X_Pomerium_Foo: 3", b"Content_Length: 5", rules=allowing)
    assert head.passed == b"X_A: 1\r\n"
    assert head.content_length is None


@pytest.mark.parametrize("value", [b"Pomerium x", b"Bearer Pomerium-x", b"pomerium x", b"bearer pomerium-x"])
def test_credentials_for_us_do_not_reach_the_upstream(value: bytes) -> None:
    assert head_of(b"Authorization: " + value).passed == b""


@pytest.mark.parametrize(
    ("sent", "passed"),
    [
        (b"a=1; _pomerium=x; b=2", b"Cookie: a=1; b=2\r\n"),
        (b"_pomerium=x", b""),
        (b"_pomerium=x; a=1", b"Cookie: a=1\r\n"),
        (b"a=1; ;_pomerium=x", b"Cookie: a=1\r\n"),
        (b"a=1;b=2 ;  c", b"Cookie: a=1;b=2 ;  c\r\n"),
    ],
)
def test_our_cookies_are_taken_out_and_the_rest_is_kept_byte_for_byte(sent: bytes, passed: bytes) -> None:
    head = head_of(b"Cookie: " + sent)
    assert head.passed == passed
    assert head.cookie == sent


@pytest.mark.parametrize(
    ("sent", "passed"),
    [
        ((b"Cookie:", b"Cookie:"), b""),
        ((b"Cookie:", b"Cookie: a=1", b"Cookie:"), b"Cookie: a=1\r\n"),
        ((b"Cookie: a=1", b"Cookie:", b"Cookie: b=2"), b"Cookie: a=1; b=2\r\n"),
    ],
)
def test_cookie_lines_without_a_cookie_leave_nothing_behind(sent: tuple[bytes, ...], passed: bytes) -> None:
    assert head_of(*sent).passed == passed


def test_too_many_lines_are_refused() -> None:
    assert head_of(*[b"X: 1"] * (MAX_HEADERS - 1))
    assert refused(*[b"X: 1"] * MAX_HEADERS) == 431


@pytest.mark.parametrize("name", [b"Connection", b"TE", b"Transfer-Encoding"])
@pytest.mark.parametrize("member", [b"x", b"chunked", b""])
def test_lists_longer_than_anybody_means_are_refused_before_they_are_taken_apart(
    name: bytes, member: bytes
) -> None:
    assert refused(name + b": " + b",".join([member] * (MAX_OPTIONS + 1))) == 431
    lines = [name + b": " + member] * (MAX_OPTIONS - 1)
    assert refused(*lines, name + b": x, y") == 431


def test_lists_may_be_as_long_as_that() -> None:
    options = b",".join(b"x-%d" % number for number in range(MAX_OPTIONS))
    assert head_of(b"Connection: " + options, b"X-99: 1", b"TE:" + b"," * (MAX_OPTIONS - 1)).passed == b""


@pytest.mark.parametrize("buffer", [b"GET / HTTP/1.1\nHost", b"a\r\nb\n", b"a\rb", b"\n", b"\r\r"])
def test_bare_line_ends_are_seen_before_the_head_is_complete(buffer: bytes) -> None:
    fault = incomplete_fault(buffer)
    assert fault is not None
    assert fault.status == 400


@given(st.lists(st.sampled_from([b"\r\n", b"a", b"b:"]), max_size=20), st.data())
def test_what_was_seen_before_is_not_counted_again(pieces: list[bytes], data: st.DataObject) -> None:
    buffer = b"".join(pieces)
    seen = data.draw(st.integers(0, len(buffer)))
    assert incomplete_fault(buffer, seen) is None
    assert incomplete_fault(buffer + b"\n", seen) is not None or buffer.endswith(b"\r")


def test_an_endless_head_is_refused() -> None:
    fault = incomplete_fault(b"a" * (MAX_HEAD_BYTES + 1))
    assert fault is not None
    assert fault.status == 431


NAMES = st.sampled_from(
    [
        b"Host",
        b"Content-Length",
        b"Transfer-Encoding",
        b"Cookie",
        b"Connection",
        b"X-A",
        b"X_A",
        b"Expect",
        b"",
        b"X-Pomerium-A",
    ]
)
VALUES = st.sampled_from(
    [b"a", b"3", b"chunked", b"close, x-a", b"_pomerium=1; b=2", b"100-continue", b"\xff", b"\r", b"\n"]
)


@given(st.lists(st.tuples(NAMES, VALUES), max_size=6))
def test_what_is_passed_on_means_the_same_when_it_is_read_again(lines: list[tuple[bytes, bytes]]) -> None:
    block = b"Host: a\r\n" + b"".join(name + b": " + value + b"\r\n" for name, value in lines)
    try:
        head = parse_head(block, RULES)
    except HeadError:
        return
    again = parse_head(b"Host: a\r\n" + head.passed, RULES)
    assert again.passed == head.passed
    assert (again.content_length, again.chunked, again.close) == (None, False, False)
    assert b"x-pomerium" not in head.passed.lower()


@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_read_or_refused_never_anything_else(block: bytes) -> None:
    for candidate in (block, b"Host: a\r\n" + block + b"\r\n"):
        try:
            parse_head(candidate, RULES)
        except HeadError as error:
            assert 400 <= error.status < 600


@pytest.mark.parametrize("line", [b"a" * 100_000, b"a:" * 50_000 + b"\x00", b"a " * 50_000])
def test_a_long_bad_line_is_refused_in_linear_time(line: bytes) -> None:
    before = time.process_time()
    with pytest.raises(HeadError):
        parse_head(b"Host: a\r\n" + line + b"\r\n", RULES)
    assert time.process_time() - before < 0.2  # quadratic: ten seconds
