from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pomerium_tw.proxy.chunked import LAST_CHUNK, MAX_TRAILER_BYTES, ChunkedDecoder, ChunkError, encode_chunk


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


@given(st.binary(max_size=60) | st.text("0123abF;\r\n: x", max_size=40).map(str.encode))
def test_arbitrary_bytes_mean_the_same_at_once_and_one_by_one(stream: bytes) -> None:
    def outcome(pieces: list[bytes]) -> tuple[bytes, bool] | None:
        decoder = ChunkedDecoder()
        body = b""
        try:
            for piece in pieces:
                if decoder.finished:
                    break
                body += decoder.feed(piece)
        except ChunkError:
            return None
        return body, decoder.finished

    assert outcome([stream]) == outcome([stream[at : at + 1] for at in range(len(stream))])
