"""What holds for any bytes at all: of header blocks, and of chunked bodies.

Each property takes bytes and raises AssertionError; hypothesis and atheris make up the bytes. What is
expected comes from plain second readers, slow and short, written after the RFC, not after what they check.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from pomerium_tw.proxy.chunked import MAX_SIZE_LINE, MAX_TRAILER_BYTES, ChunkedDecoder, ChunkError
from pomerium_tw.proxy.head import HeadError, parse_head
from pomerium_tw.proxy.header_names import HeadRules

OWN = HeadRules(own_cookies=re.compile(rb"_pomerium[a-z_]*"), owned_names=frozenset((b"x-email",)))
RULES = (
    OWN,
    HeadRules(own_cookies=OWN.own_cookies, owned_names=OWN.owned_names, underscores="drop_header"),
    HeadRules(own_cookies=OWN.own_cookies, owned_names=OWN.owned_names, underscores="allow"),
)
_FIELD = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t\x20-\x7e\x80-\xff]*"
_OURS = re.compile(rb"(?im)^x[^0-9a-z:](?:pomerium[^0-9a-z:]|email:)")


def head_is_strict(block: bytes) -> None:
    """A block is refused, or it is well-formed, has one framing, and travels on without what is ours."""
    for rules in RULES:
        try:
            head = parse_head(block, rules)
        except HeadError as error:
            assert 400 <= error.status < 600
            continue
        assert re.fullmatch(rb"(?:" + _FIELD + rb"\r\n)*", block)
        lines = _read(block)
        assert [name for name, _ in lines].count(b"host") == 1
        lengths = [value for name, value in lines if name == b"content-length"]
        codings = [value.lower() for name, value in lines if name == b"transfer-encoding"]
        assert codings in ([], [b"chunked"])
        assert head.chunked is bool(codings)
        assert (
            lengths == []
            if head.content_length is None
            else [int(value) for value in lengths] == [head.content_length]
        )
        assert not (lengths and codings)
        assert not _OURS.search(head.passed)
        assert b"_pomerium" not in {name for name, _ in _cookies(head.passed)}
        again = parse_head(b"Host: a\r\n" + head.passed, rules)
        assert again.passed == head.passed
        assert (again.content_length, again.chunked, again.close, again.upgrade) == (None, False, False, None)
        known = {name for name, _ in lines}
        assert {name for name, _ in head.fields} <= known
        for name, _ in head.fields:
            assert head.get(name) == b", ".join(value for found, value in lines if found == name)


def _read(block: bytes) -> list[tuple[bytes, bytes]]:
    split = [line.split(b":", 1) for line in block.split(b"\r\n")[:-1]]
    return [(name.lower(), value.strip(b" \t")) for name, value in split]


def _cookies(block: bytes) -> list[tuple[bytes, bytes]]:
    pairs = [
        pair.partition(b"=")
        for name, value in _read(block)
        if name == b"cookie"
        for pair in value.split(b";")
    ]
    return [(name.strip(b" \t"), value) for name, _, value in pairs]


class Body(NamedTuple):
    """What a chunked body is, as far as it goes."""

    data: bytes
    trailers: bytes = b""
    rest: bytes | None = None
    """What follows it; None while it is not complete."""


def chunks_mean_one_thing(stream: bytes) -> None:
    """The decoder and a plain reader agree, and so does the decoder with itself however the bytes are cut."""
    expected = _plain_body(stream)
    whole = _decoded([stream])
    if expected is None:
        assert whole is None
    elif expected.rest is not None:
        assert whole == expected
    else:
        # The decoder may see sooner that this can never be a body.
        assert whole is None or whole == expected
    for size in (1, 2, 3, 7):
        assert _decoded([stream[at : at + size] for at in range(0, len(stream), size)]) == whole


def _decoded(pieces: list[bytes]) -> Body | None:
    """None: refused."""
    decoder = ChunkedDecoder()
    body = b""
    for number, piece in enumerate(pieces):
        try:
            body += decoder.feed(piece)
        except ChunkError:
            return None
        if decoder.finished:
            return Body(body, decoder.trailers, decoder.rest + b"".join(pieces[number + 1 :]))
    return Body(body)


def _plain_body(stream: bytes) -> Body | None:
    """RFC 9112 §7.1 read off the page. None: it is no chunked body."""
    body = b""
    while True:
        line, newline, stream = stream.partition(b"\n")
        if not newline:
            return Body(body)
        match = re.fullmatch(rb"([0-9A-Fa-f]{1,16})(?:;[\t\x20-\x7e\x80-\xff]*)?\r", line)
        if match is None or len(line) >= MAX_SIZE_LINE:
            return None
        size = int(match[1], 16)
        if not size:
            return _plain_trailers(body, stream)
        body += stream[:size]
        ending, stream = stream[size : size + 2], stream[size + 2 :]
        if not b"\r\n".startswith(ending):
            return None
        if len(ending) < 2:
            return Body(body)


def _plain_trailers(body: bytes, stream: bytes) -> Body | None:
    section = b""
    while True:
        line, newline, stream = stream.partition(b"\n")
        if not newline:
            return Body(body)
        if line == b"\r":
            return Body(body, section, stream)
        section += line + b"\n"
        if not re.fullmatch(_FIELD + rb"\r", line) or len(section) > MAX_TRAILER_BYTES:
            return None
