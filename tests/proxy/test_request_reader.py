"""Reading requests: the quick way says what the thorough one says, and nothing is remembered too long."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import example, given, settings
from hypothesis import strategies as st

from pomerium_tw.model import Peer, Request
from pomerium_tw.proxy import HeadError, TargetRules
from pomerium_tw.proxy.head import parse_head
from pomerium_tw.proxy.request_reader import MEMO_BYTES, RequestReader
from pomerium_tw.proxy.target import parse_request_line, parse_target
from tests.doors import Wire

HOST = b"Host: a\r\n"
WIRE = Wire()
GENERATION = WIRE.door.generation

METHODS = st.sampled_from(
    (b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS", b"get", b"PROPFIND", b"GETS", b"")
)
PIECES = (
    b"/", b"//", b"a", b"A-b.c", b".", b"..", b"%2e", b"%2F", b"%41", b"%", b";x=1", b"?", b"?q", b"#", b"\\",
    b"*", b"~", b"!$&'()+,=:@", b'"', b"<", b"|", b"\x7f", b"\x80", b" ", b"http://a/",
)  # fmt: skip
VERSIONS = st.sampled_from(
    (b"HTTP/1.1", b"HTTP/1.1", b"HTTP/1.1", b"HTTP/1.0", b"HTTP/1.1 ", b"http/1.1", b"")
)


def reader() -> RequestReader:
    return RequestReader(WIRE.door.listener, Peer("192.0.2.7", 4711))


def thorough(line: bytes) -> tuple[object, ...] | int:
    """Method and target as the general functions read them, or the status of the refusal."""
    try:
        method, raw = parse_request_line(line)
        return method, parse_target(method, raw, parse_head(HOST, GENERATION.head_rules), TargetRules())
    except HeadError as error:
        return error.status


def read(line: bytes) -> tuple[object, ...] | int:
    try:
        request = reader().read(line + b"\r\n" + HOST, GENERATION)
    except HeadError as error:
        return error.status
    return request.method, request.target


@given(st.lists(st.sampled_from(PIECES), max_size=4).map(b"".join))
@example(b"?" + b"x" * 40_000)
@settings(max_examples=1000, deadline=None)
def test_the_quick_way_reads_targets_as_the_thorough_one_does(rest: bytes) -> None:
    line = b"GET /" + rest + b" HTTP/1.1"
    assert read(line) == thorough(line)


@given(METHODS, st.sampled_from((b"/", b"/a", b"", b"a", b"*")), VERSIONS)
def test_the_quick_way_reads_lines_as_the_thorough_one_does(
    method: bytes, target: bytes, version: bytes
) -> None:
    line = b" ".join((method, target, version))
    assert read(line) == thorough(line)


def block(more: bytes = b"") -> bytes:
    return b"GET /x HTTP/1.1\r\n" + HOST + more


def test_the_same_header_block_is_one_head_whatever_the_line() -> None:
    one, other = reader(), reader()
    assert one.read(block(), GENERATION).head is not one.read(block(), GENERATION).head, "it comes again"
    first = one.read(block(), GENERATION)
    second = one.read(block().replace(b"/x", b"/y"), GENERATION)
    assert first.head is second.head
    assert first.id != second.id
    assert (first.target.path, second.target.path) == ("/x", "/y")
    other.read(block(), GENERATION)
    other.read(block(), GENERATION)
    assert other.read(block(), GENERATION).head is not first.head, "another connection remembers for itself"


def test_another_generation_reads_anew() -> None:
    one = reader()
    one.read(block(), GENERATION)
    first, again = one.read(block(), GENERATION), one.read(block(), GENERATION)
    assert again.head is first.head
    assert one.read(block(), replace(GENERATION, number=2)).head is not first.head


def test_what_is_long_or_forgotten_is_read_anew() -> None:
    one = reader()
    long = block(b"X: " + b"x" * MEMO_BYTES + b"\r\n")
    heads = [one.read(long, GENERATION).head for _ in range(3)]
    assert heads[1] is not heads[2]
    one.read(block(), GENERATION)
    first: Request = one.read(block(), GENERATION)
    one.forget()
    assert one.read(block(), GENERATION).head is not first.head
