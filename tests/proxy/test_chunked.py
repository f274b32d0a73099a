from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pomerium_tw.proxy import http1, upstream
from pomerium_tw.proxy.chunked import (
    LAST_CHUNK,
    MAX_SIZE_LINE,
    MAX_TRAILER_BYTES,
    ChunkedDecoder,
    ChunkError,
    encode_chunk,
)
from tests.doors import Wire


def decoded(*pieces: bytes) -> tuple[bytes, ChunkedDecoder]:
    decoder = ChunkedDecoder()
    body = b""
    for piece in pieces:
        assert not decoder.finished
        body += decoder.feed(piece)
    return body, decoder


def test_chunks_become_a_body_and_what_follows_is_kept() -> None:
    body, decoder = decoded(b"3\r\nabc\r\n00A;ext=1\r\n0123456789\r\n0\r\n\r\nGET ")
    assert body == b"abc0123456789"
    assert decoder.finished
    assert decoder.rest == b"GET "


def test_trailers_are_no_part_of_the_body_and_kept_apart() -> None:
    body, decoder = decoded(b"3\r\nabc\r\n0\r\nX-A: b\r", b"\nx-b:\r\n", b"\r\nGET")
    assert (body, decoder.finished, decoder.rest) == (b"abc", True, b"GET")
    assert decoder.trailers == b"X-A: b\r\nx-b:\r\n"


def chunk(data: bytes, *, zeros: int = 0, extension: bytes = b"", upper: bool = False) -> bytes:
    size = b"%X" % len(data) if upper else b"%x" % len(data)
    return b"0" * zeros + size + extension + b"\r\n" + data + b"\r\n"


@pytest.mark.parametrize("size", range(1, 80))
def test_small_chunks_of_every_size_and_spelling_are_read_in_runs_too(size: int) -> None:
    data = bytes(range(size))
    digits = len(b"%x" % size)
    spellings = [
        chunk(data, zeros=zeros, extension=extension, upper=upper)
        for zeros in range(17 - digits)
        for extension in (b"", b";", b";a=1\t\xff", b";" + b"e" * (MAX_SIZE_LINE - 19))
        for upper in (False, True)
    ]
    body, decoder = decoded(b"".join(spellings) + LAST_CHUNK + b"rest")
    assert body == data * len(spellings)
    assert decoder.rest == b"rest"


@pytest.mark.parametrize("size", range(1, 80))
def test_a_run_ends_before_a_small_chunk_that_is_none(size: int) -> None:
    good, data = chunk(b"x"), bytes(size)
    for bad in (
        chunk(data, zeros=17 - len(b"%x" % size)),
        chunk(data, extension=b";\n"),
        chunk(data, extension=b";" + b"e" * MAX_SIZE_LINE),
        chunk(data, extension=b" "),
        chunk(data)[:-2] + b"x\r\n",
        chunk(data)[:-3] + b"\r\n\r\n",
        chunk(data)[:-2] + b"\n\r",
    ):
        with pytest.raises(ChunkError):
            decoded(good * 3 + bad + good * 3)


def test_chunks_inside_of_chunks_are_what_these_hold() -> None:
    inner = chunk(b"1\r\nx\r\n") * 3
    good = chunk(b"a")
    stream = good + chunk(inner) + good + chunk(inner[:9]) + good + chunk(inner * 9) + good
    assert decoded(stream)[0] == b"a" + inner + b"a" + inner[:9] + b"a" + inner * 9 + b"a"


@pytest.mark.parametrize(
    "run",
    [
        chunk(b"x") * 1000,
        chunk(b"x", extension=b";a=b") * 1000,
        chunk(b"x", zeros=14) * 1000,
        b"".join(chunk(bytes(size), upper=upper) for size in range(1, 64) for upper in (False, True)),
    ],
    ids=["bytes", "extensions", "zeros", "sizes"],
)
def test_a_run_of_small_chunks_is_not_read_one_by_one(run: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[int] = []
    one = ChunkedDecoder._size
    monkeypatch.setattr(ChunkedDecoder, "_size", lambda *given: lines.append(given[2]) or one(*given))
    assert decoded(run)[0]
    assert len(lines) == 1


def test_without_trailers_there_are_none() -> None:
    assert decoded(b"0\r\n\r\n")[1].trailers == b""


@given(st.lists(st.binary(min_size=1, max_size=40), max_size=5), st.binary(max_size=5), st.data())
def test_any_split_gives_the_same_bytes(chunks: list[bytes], rest: bytes, data: st.DataObject) -> None:
    stream = b"".join(map(encode_chunk, chunks)) + LAST_CHUNK
    cuts = sorted(data.draw(st.sets(st.integers(0, len(stream)), max_size=8)))
    decoder = ChunkedDecoder()
    body = b""
    for begin, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        body += decoder.feed(
            stream[begin:end] + (rest if end == len(stream) and not decoder.finished else b"")
        )
        if decoder.finished:
            break
    assert body == b"".join(chunks)
    assert decoder.rest == rest


@pytest.mark.parametrize(
    "stream",
    [
        b"0x3\r\nabc\r\n",
        b"+3\r\nabc\r\n",
        b"-3\r\nabc\r\n",
        b" 3\r\nabc\r\n",
        b"3 \r\nabc\r\n",
        b"3 ;a\r\nabc\r\n",
        b"\r\n",
        b"3\nabc\r\n",
        b"3;a\nb\r\nabc\r\n",
        b"3\r\nabcXX",
        b"3\r\nabc\n",
        b"F" * 17,
        b"3;" + b"a" * 5000,
        b"3;\x00\r\n",
        b"0\r\nno colon\r\n\r\n",
        b"0\r\n folded: x\r\n\r\n",
        b"0\r\nA: b\nC: d\r\n\r\n",
        b"0\r\n" + b"A: b\r\n" * (MAX_TRAILER_BYTES // 6 + 1),
        b"0\r\nA: " + b"b" * (MAX_TRAILER_BYTES + 10),
        b"z",
        b"3\rx",
    ],
)
def test_anything_else_is_refused_as_soon_as_it_is_seen(stream: bytes) -> None:
    with pytest.raises(ChunkError):
        decoded(stream)
    with pytest.raises(ChunkError):
        decoded(*[stream[at : at + 1] for at in range(len(stream))])


def outcome(stream: bytes, cuts: Iterable[int]) -> tuple[bytes, bytes | None] | None:
    """The body, and what follows it if it is complete; None if it is refused."""
    decoder = ChunkedDecoder()
    body = b""
    for begin, end in pairwise([0, *cuts, len(stream)]):
        try:
            body += decoder.feed(stream[begin:end])
        except ChunkError:
            return None
        if decoder.finished:
            return body, decoder.rest + stream[end:]
    return body, None


@given(st.binary(max_size=60) | st.text("0123abF;\r\n: x", max_size=40).map(str.encode))
def test_arbitrary_bytes_mean_the_same_at_once_and_one_by_one(stream: bytes) -> None:
    assert outcome(stream, ()) == outcome(stream, range(1, len(stream)))


SMALL = st.builds(
    chunk,
    st.binary(min_size=1, max_size=70) | st.text("012f\r\n;", min_size=1, max_size=9).map(str.encode),
    zeros=st.sampled_from([0, 0, 0, 1, 14, 15, 16]),
    extension=st.sampled_from([b"", b"", b";", b";a=b", b" ", b";\r"]),
    upper=st.booleans(),
)


@given(
    st.lists(SMALL, min_size=2, max_size=12),
    st.lists(st.tuples(st.integers(0), st.integers(0, 2), st.sampled_from(b"0129afF;\r\n x")), max_size=2),
    st.data(),
)
def test_runs_of_small_chunks_mean_the_same_as_byte_by_byte(
    chunks: list[bytes], changes: list[tuple[int, int, int]], data: st.DataObject
) -> None:
    """One byte at a time, nothing is ever read as a run."""
    stream = b"".join(chunks) + LAST_CHUNK + b"rest"
    for place, replaced, byte in changes:
        at = place % len(stream)
        stream = stream[:at] + bytes((byte,)) + stream[at + replaced :]
    cuts = sorted(data.draw(st.sets(st.integers(1, len(stream) - 1), max_size=4)))
    reference = outcome(stream, range(1, len(stream)))
    assert outcome(stream, ()) == reference
    assert outcome(stream, cuts) == reference


@pytest.mark.parametrize(
    ("chunk", "little"), [(b"1\r\nx\r\n", True), (b"3E8\r\n" + b"x" * 1000 + b"\r\n", False)]
)
def test_little_is_read_at_once_of_what_is_mostly_framing(
    chunk: bytes, little: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []
    for module in (http1, upstream):
        monkeypatch.setattr(module, "limit_next_read", asked.append)
    wire = Wire()
    wire.send(b"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk * 9)
    wire.answer(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk * 9)
    assert asked == ([wire.pipe, wire.upstreams[0][1]] if little else [])
