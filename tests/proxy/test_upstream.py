"""What a connection to an upstream may still be used for, and how long it may take to end."""

from __future__ import annotations

import time
from typing import Any

import pytest

from pomerium_tw.proxy import Timeouts
from pomerium_tw.proxy.head import MAX_HEAD_BYTES
from pomerium_tw.proxy.upstream import CLOSE_SECONDS, MAX_INTERIM
from tests.doors import Wire, guarded, read_answers

GET = b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
PROCESSING = b"HTTP/1.1 102 Processing\r\n\r\n"


def statuses(received: bytes) -> list[int]:
    return [answer.status for answer in read_answers(received)]


def signed_in(scheme: str) -> bytes:
    return b"GET /x HTTP/1.1\r\nHost: a\r\nAuthorization: %b abc\r\n\r\n" % scheme.encode()


# -- heads in pieces


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7])
def test_a_head_means_the_same_in_pieces(size: int) -> None:
    wire = Wire()
    for _ in range(2):
        wire.send(GET)
        stream = PROCESSING + OK
        received = [wire.answer(stream[at : at + size]) for at in range(0, len(stream), size)]
        (answer,) = read_answers(b"".join(received))
        assert (answer.status, answer.body) == (200, b"hi")
    assert len(wire.upstreams) == 1


def test_a_head_in_pieces_is_given_up_where_it_grows_too_large() -> None:
    wire = Wire()
    wire.send(GET)
    begun = b"HTTP/1.1 200 OK\r\nX: "
    wire.answer(begun)
    assert wire.answer(b"a" * (MAX_HEAD_BYTES - len(begun))) == b""
    assert statuses(wire.answer(b"a")) == [502]


def test_each_byte_of_a_head_is_looked_at_once() -> None:
    wire = Wire()
    wire.send(GET)
    wire.answer(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX: ")
    received = wire.upstreams[0][0].dataReceived
    before = time.process_time()
    for _ in range(MAX_HEAD_BYTES - 100):
        received(b"a")
    assert time.process_time() - before < 1  # every time from the beginning: five seconds
    assert statuses(wire.answer(b"\r\n\r\nhi")) == [200]


# -- which may carry another request


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\n",
        b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ],
)
def test_what_may_be_followed_by_more_of_the_same_answer_carries_no_other(answer: bytes) -> None:
    wire = Wire()
    wire.send(GET)
    assert wire.answer(answer)
    assert wire.upstreams[0][1].lost == "closed"
    wire.send(GET)
    assert len(wire.upstreams) == 2
    assert statuses(wire.answer(OK)) == [200]


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 204 No Content\r\n\r\n",
        b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 304 Not Modified\r\nContent-Length: 2\r\n\r\n",
    ],
)
def test_answers_that_have_no_body_leave_their_connection_free(answer: bytes) -> None:
    wire = Wire()
    for _ in range(3):
        wire.send(GET)
        assert wire.answer(answer)
    assert len(wire.upstreams) == 1


def test_a_body_that_its_status_forbids_is_none_though_its_head_was_seen_before() -> None:
    wire = Wire()
    head = b"HTTP/1.1 304 Not Modified\r\nContent-Length: 2\r\n\r\n"
    wire.send(GET)
    wire.answer(head)
    wire.send(GET)
    assert wire.answer(head + b"hi").endswith(b"\r\n\r\n")
    assert wire.upstreams[0][1].lost == "aborted"


@pytest.mark.parametrize("scheme", ["NTLM", "ntlm", "Negotiate", "negotiate", "Nego2"])
def test_a_connection_that_somebody_signed_in_to_is_nobody_elses(scheme: str) -> None:
    wire = Wire()
    wire.send(GET)
    wire.answer(OK)
    wire.send(signed_in(scheme))
    assert statuses(wire.answer(OK)) == [200]
    assert wire.upstreams[0][1].lost == "closed"
    wire.open()
    wire.send(GET)
    assert len(wire.upstreams) == 2
    assert statuses(wire.answer(OK)) == [200]


@pytest.mark.parametrize("challenge", ["NTLM", "negotiate TlRM", 'Basic realm="a,b", Negotiate', "Nego2"])
def test_a_connection_that_asked_for_such_a_sign_in_is_not_used_again(challenge: str) -> None:
    wire = Wire()
    wire.send(GET)
    head = b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\nWWW-Authenticate: %b\r\n\r\n"
    assert statuses(wire.answer(head % challenge.encode())) == [401]
    assert wire.upstreams[0][1].lost == "closed"


@pytest.mark.parametrize("scheme", ["Basic", "Bearer", "Digest"])
def test_other_credentials_are_of_the_request_alone(scheme: str) -> None:
    wire = Wire()
    challenge = b'HTTP/1.1 401 No\r\nContent-Length: 0\r\nWWW-Authenticate: %b realm="NTLM"\r\n\r\n'
    for _ in range(2):
        wire.send(signed_in(scheme))
        assert statuses(wire.answer(challenge % scheme.encode())) == [401]
    assert len(wire.upstreams) == 1


# -- what counts as moving


def test_an_upstream_that_says_it_is_at_work_is_not_idle() -> None:
    wire = Wire([guarded("a", timeout=0.0, idle_timeout=10.0)])
    wire.send(GET)
    for _ in range(MAX_INTERIM):
        wire.answer(PROCESSING)
        assert wire.pass_time(8) == b""
    assert statuses(wire.answer(OK)) == [200]


@pytest.mark.parametrize(
    ("route", "timeouts"),
    [({"timeout": 15.0, "idle_timeout": 10.0}, Timeouts()), ({"timeout": 0.0}, Timeouts(stream=15.0))],
)
def test_but_it_gets_no_more_time_than_an_answer_may_take(route: dict[str, Any], timeouts: Timeouts) -> None:
    wire = Wire([guarded("a", **route)], timeouts=timeouts)
    wire.send(GET)
    received = b""
    for _ in range(3):
        received += wire.answer(PROCESSING) + wire.pass_time(8)
    assert statuses(received) == [504]


# -- the end


def test_a_connection_that_cannot_send_what_is_left_is_not_waited_for() -> None:
    wire = Wire()
    wire.send(b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello")
    wire.answer(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi")
    assert wire.upstreams[0][1].lost == "closed"
    wire.pass_time(CLOSE_SECONDS - 1)
    assert wire.upstreams[0][1].lost == "closed"
    wire.pass_time(4)
    assert wire.upstreams[0][1].lost == "aborted"


def test_nor_is_a_free_one_that_was_kept_long_enough() -> None:
    wire = Wire()
    wire.send(GET)
    wire.answer(OK)
    wire.pass_time(63)
    assert wire.upstreams[0][1].lost == "closed"
    wire.pass_time(CLOSE_SECONDS + 3)
    assert wire.upstreams[0][1].lost == "aborted"
