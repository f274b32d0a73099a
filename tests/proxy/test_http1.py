"""One exchange as a dialogue: how its answer is framed, and what becomes of its body."""

from __future__ import annotations

import pytest

from pomerium_tw.proxy.http1 import MAX_DRAINED
from tests.doors import NOBODY, Wire, guarded, read_answers

GET = b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n"
HEAD = b"HEAD /x HTTP/1.1\r\nHost: a\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"


def test_an_answer_with_a_length_is_passed_on_as_it_is() -> None:
    wire = Wire()
    wire.send(GET)
    answer = read_answers(wire.answer(OK))[0]
    assert (answer.status, answer.body) == (200, b"hi")
    assert answer.header("X-Request-Id")
    assert not wire.pipe.lost


def test_an_answer_without_a_length_is_chunked_and_ends_with_the_upstreams_connection() -> None:
    wire = Wire()
    wire.send(GET)
    begun = wire.answer(b"HTTP/1.1 200 OK\r\n\r\nhello")
    assert b"Transfer-Encoding: chunked\r\n" in begun
    assert begun.endswith(b"5\r\nhello\r\n")
    assert wire.answer(b" you") == b"4\r\n you\r\n"
    assert wire.upstream_closes() == b"0\r\n\r\n"
    assert not wire.pipe.lost


def test_chunks_of_the_upstream_are_framed_anew() -> None:
    wire = Wire()
    wire.send(GET)
    answer = wire.answer(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n2;x\r\nbc\r\n0\r\nT: x\r\n\r\n"
    )
    assert answer.endswith(b"\r\n\r\n3\r\nabc\r\n0\r\nT: x\r\n\r\n")


def test_head_has_the_length_and_no_body() -> None:
    wire = Wire()
    wire.send(HEAD)
    answer = wire.answer(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n")
    assert b"Content-Length: 2\r\n" in answer
    assert answer.endswith(b"\r\n\r\n")
    wire.upstream()
    assert wire.send(GET) == b""
    assert wire.upstream().startswith(b"GET /x ")


def test_head_of_a_chunked_answer_has_no_body_and_no_framing() -> None:
    wire = Wire()
    wire.send(HEAD)
    answer = wire.answer(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    assert b"chunked" not in answer
    assert answer.endswith(b"\r\n\r\n")


@pytest.mark.parametrize("status", [b"204 No Content", b"304 Not Modified"])
@pytest.mark.parametrize("length", [b"", b"Content-Length: 0\r\n", b"Content-Length: 7\r\n"])
def test_answers_that_never_have_a_body(status: bytes, length: bytes) -> None:
    wire = Wire()
    wire.send(GET)
    answer = wire.answer(b"HTTP/1.1 " + status + b"\r\n" + length + b"\r\n")
    assert answer.endswith(b"\r\n\r\n")
    assert b"chunked" not in answer
    assert (length in answer) is (status.startswith(b"304") or not length)
    wire.send(GET)
    assert read_answers(wire.answer(OK))[0].body == b"hi"


def test_close_is_answered_with_close() -> None:
    wire = Wire()
    wire.send(b"GET /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    assert b"\r\nConnection: close\r\n" in wire.answer(OK)
    assert wire.pipe.lost == "closed"


def test_a_body_is_asked_for_once_and_only_when_it_can_be_taken() -> None:
    wire = Wire()
    wire.slow = True
    post = b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n"
    assert wire.send(post) == b""
    wire.connect()
    assert wire.pipe.take() == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert b"Expect" not in wire.upstream()
    assert wire.send(b"bo") == b""
    assert wire.send(b"dy") == b""
    assert wire.upstream() == b"body"
    assert wire.answer(b"HTTP/1.1 100 Continue\r\n\r\n") == b""
    assert read_answers(wire.answer(OK))[0].status == 200


def test_a_body_that_comes_unasked_is_not_asked_for() -> None:
    wire = Wire()
    wire.send(b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\nbody")
    assert wire.pipe.take() == b""
    assert wire.upstream().endswith(b"\r\n\r\nbody")


def test_a_denied_request_with_an_awaited_body_ends_the_connection() -> None:
    wire = Wire([guarded("a", NOBODY)])
    post = b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n"
    answer = read_answers(wire.send(post))[0]
    assert (answer.status, answer.header("Connection")) == (403, "close")
    assert wire.send(b"GET ") == b""
    assert wire.pipe.lost == "half"


def test_a_small_unread_body_is_read_away_and_the_connection_kept() -> None:
    wire = Wire([guarded("a", NOBODY)])
    ping = b"GET /ping HTTP/1.1\r\nHost: a\r\n\r\n"
    post = b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(ping)
    assert [answer.status for answer in read_answers(wire.send(post + ping[:9]))] == [403]
    assert wire.send(ping[9:]) == b""
    assert [answer.status for answer in read_answers(wire.send(ping))] == [200]


@pytest.mark.parametrize("framing", [b"Transfer-Encoding: chunked", b"Content-Length: 10000000000"])
def test_a_large_unread_body_ends_the_connection_after_the_answer(framing: bytes) -> None:
    wire = Wire([guarded("a", NOBODY)])
    answer = read_answers(wire.send(b"POST /x HTTP/1.1\r\nHost: a\r\n" + framing + b"\r\n\r\n"))[0]
    assert (answer.status, answer.header("Connection")) == (403, "close")
    assert wire.pipe.lost == "half"
    for _ in range(40):
        wire.send(b"x" * 64 * 1024)
    assert wire.pipe.reading  # it may read the answer when it has sent all
    assert wire.pipe.lost == "half"
    wire.pass_time(7)
    assert wire.pipe.lost == "aborted"


def test_what_is_written_after_the_end_goes_nowhere() -> None:
    wire = Wire()
    wire.send(GET)
    exchange = wire.client._exchange
    wire.answer(OK)
    exchange.send_data(b"more")
    exchange.send_end()
    exchange.send_head(500, b"500 x", b"", chunked=False, end=True)
    exchange.reset()
    assert wire.pipe.take() == b""
    assert len(wire.log) == 1
    assert not wire.pipe.lost


EARLY = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab"
"""The beginning of an answer: another part follows."""
CHUNKED = b"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
EXPECTING = b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\nExpect: 100-continue\r\n\r\n"


@pytest.mark.parametrize(
    ("first", "rest"),
    [
        pytest.param(CHUNKED + b"5\r\n12345\r\n", b"5\r\n67890\r\n0\r\n\r\n", id="chunked"),
        pytest.param(EXPECTING, b"1234567890", id="asked for by 100"),
        pytest.param(EXPECTING + b"12345", b"67890", id="unasked"),
    ],
)
def test_after_an_answer_that_came_before_the_body_and_said_no_close_the_next_request_is_answered(
    first: bytes, rest: bytes
) -> None:
    wire = Wire()
    wire.send(first)
    assert b"Connection: close" not in wire.answer(EARLY)
    assert wire.answer(b"cd") == b"cd"
    assert wire.pipe.lost == ""
    assert wire.send(rest) == b""
    wire.send(GET)
    assert read_answers(wire.answer(OK))[0].body == b"hi"
    assert len(wire.log) == 2


def test_a_body_that_was_asked_for_is_read_away_and_the_connection_kept() -> None:
    wire = Wire()
    wire.send(EXPECTING)
    assert b"Connection: close" not in wire.answer(OK)
    assert wire.send(b"1234567890") == b""
    wire.send(GET)
    assert read_answers(wire.answer(OK))[0].body == b"hi"


def test_chunks_after_the_answer_are_read_away_up_to_a_bound_that_counts_every_byte() -> None:
    wire = Wire()
    wire.send(CHUNKED)
    wire.answer(EARLY)
    wire.answer(b"cd")
    chunk = b"1;%b\r\nx\r\n" % (b"e" * 1000)
    for _ in range(MAX_DRAINED // len(chunk)):
        assert wire.send(chunk) == b""
        assert wire.pipe.lost == ""
    wire.send(chunk)
    assert wire.pipe.lost == "half"
    assert wire.send(b"0\r\n\r\n" + GET) == b""
    assert len(wire.log) == 1


def test_chunks_after_the_answer_that_are_none_end_the_connection_and_the_answer_stays() -> None:
    wire = Wire()
    wire.send(CHUNKED)
    wire.answer(EARLY)
    wire.answer(b"cd")
    assert wire.send(b"zz\r\n" + GET) == b""
    assert wire.pipe.lost == "half"
    assert [line["response-code"] for line in wire.log] == [200]


def test_chunks_after_the_answer_that_do_not_come_are_not_waited_for_without_end() -> None:
    wire = Wire()
    wire.send(CHUNKED)
    wire.answer(EARLY)
    wire.answer(b"cd")
    wire.pass_time(7)
    assert wire.pipe.lost == "aborted"
