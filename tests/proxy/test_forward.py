"""The upstream's side as a dialogue: pooling, retries, time-outs, early answers, broken ones."""

from __future__ import annotations

import pytest
from OpenSSL.SSL import Error as SSLError
from twisted.internet.error import ConnectionLost
from twisted.internet.error import TimeoutError as ConnectTimeout
from twisted.python.failure import Failure

from pomerium_tw.proxy import Timeouts
from pomerium_tw.proxy.upstream import FREE_SECONDS, MAX_INTERIM, UpstreamConnection
from tests.doors import Wire, guarded, read_answers

GET = b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n"


def statuses(received: bytes) -> list[int]:
    return [answer.status for answer in read_answers(received)]


def details(wire: Wire) -> list[tuple[int, str]]:
    return [(line["response-code"], line["response-code-details"]) for line in wire.log]


def test_a_kept_connection_is_used_again() -> None:
    wire = Wire()
    for _ in range(3):
        wire.send(GET)
        assert statuses(wire.answer(OK)) == [200]
    assert len(wire.upstreams) == 1


def test_a_connection_that_closed_while_free_is_not_used() -> None:
    wire = Wire()
    wire.send(GET)
    wire.answer(OK)
    wire.upstream_closes()
    wire.send(GET)
    assert len(wire.upstreams) == 2
    assert statuses(wire.answer(OK)) == [200]


@pytest.mark.parametrize("answer", [OK, CHUNKED])
def test_a_connection_is_kept_for_a_minute_without_a_request(answer: bytes) -> None:
    """A NAT or a load balancer on the way forgets it by then and tells nobody."""
    wire = Wire()
    for _ in range(3):
        wire.send(GET)
        assert statuses(wire.answer(answer)) == [200]
        wire.pass_time(FREE_SECONDS - 1)
        assert wire.upstreams[0][1].lost == ""
    wire.pass_time(3)
    assert wire.upstreams[0][1].lost == "closed"
    wire.send(GET)
    assert len(wire.upstreams) == 2


def test_an_answer_may_take_longer_than_a_free_connection_is_kept() -> None:
    wire = Wire([guarded("a", timeout=0, idle_timeout=0)])
    for _ in range(2):
        wire.send(GET)
        wire.pass_time(5 * FREE_SECONDS)
        assert statuses(wire.answer(OK)) == [200]
        wire.pass_time(FREE_SECONDS / 2)
    assert len(wire.upstreams) == 1


@pytest.mark.parametrize("head", [b"HTTP/1.0 200 OK\r\n", b"HTTP/1.1 200 OK\r\nConnection: close\r\n"])
def test_a_connection_that_says_so_is_used_once(head: bytes) -> None:
    wire = Wire()
    wire.send(GET)
    wire.answer(head + b"Content-Length: 0\r\n\r\n")
    assert wire.upstreams[0][1].lost == "closed"
    wire.send(GET)
    assert len(wire.upstreams) == 2


def test_a_safe_request_is_sent_again_when_a_kept_connection_had_closed() -> None:
    wire = Wire()
    wire.send(GET)
    wire.answer(OK)
    wire.send(GET)
    assert wire.upstream_closes() == b""
    assert wire.upstream().startswith(b"GET /x ")
    assert statuses(wire.answer(OK)) == [200]
    assert len(wire.log) == 2


@pytest.mark.parametrize("request_", [POST + b"abc", b"DELETE /x HTTP/1.1\r\nHost: a\r\n\r\n"])
def test_no_other_request_is_sent_twice(request_: bytes) -> None:
    wire = Wire()
    wire.send(GET)
    wire.answer(OK)
    wire.send(request_)
    assert statuses(wire.upstream_closes()) == [503]
    assert len(wire.upstreams) == 1


def test_a_new_connection_that_closes_is_not_tried_again() -> None:
    wire = Wire()
    wire.send(GET)
    assert statuses(wire.upstream_closes()) == [503]
    assert details(wire) == [(503, "upstream_reset_before_response_started{connection_termination}")]


def test_a_refused_connection_is_503() -> None:
    wire = Wire()
    wire.refuse = True
    assert statuses(wire.send(GET)) == [503]
    assert details(wire) == [(503, "upstream_reset_before_response_started{connection_failure}")]


def test_a_connection_that_takes_too_long_is_503() -> None:
    wire = Wire()
    wire.slow = True
    wire.send(GET)
    wire.dialled[0][1].errback(Failure(ConnectTimeout()))
    assert statuses(wire.pipe.take()) == [503]
    assert details(wire) == [(503, "upstream_reset_before_response_started{connection_timeout}")]


def test_a_failed_handshake_is_503_by_its_name() -> None:
    wire = Wire()
    wire.slow = True
    wire.send(GET)
    wire.dialled[0][1].errback(Failure(SSLError()))
    assert statuses(wire.pipe.take()) == [503]
    assert details(wire) == [(503, "upstream_reset_before_response_started{connection_failure|TLS_error}")]


def test_a_client_that_leaves_while_connecting_ends_the_attempt() -> None:
    wire = Wire()
    wire.slow = True
    wire.send(GET)
    wire.client_closes()
    assert wire.dialled[0][1].called
    assert details(wire) == [(0, "downstream_remote_disconnect")]
    wire.pass_time(400)
    assert len(wire.log) == 1


def test_an_upstream_that_is_silent_is_504_after_the_routes_time_out() -> None:
    wire = Wire([guarded("a", timeout=10)])
    wire.send(GET)
    assert wire.pass_time(9) == b""
    assert statuses(wire.pass_time(3)) == [504]
    assert wire.upstreams[0][1].lost == "aborted"
    assert details(wire) == [(504, "upstream_response_timeout")]


def test_the_time_out_holds_for_the_whole_answer() -> None:
    wire = Wire([guarded("a", timeout=10)])
    wire.send(GET)
    wire.answer(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n")
    for _ in range(12):
        if wire.pipe.lost:
            break
        wire.answer(b"x")
        wire.pass_time(1)
    assert wire.pipe.lost == "closed"
    assert details(wire) == [(200, "upstream_response_timeout")]


def test_the_idle_time_out_counts_from_the_last_byte() -> None:
    wire = Wire([guarded("a", timeout=0, idle_timeout=5)])
    wire.send(GET)
    wire.answer(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n")
    for _ in range(10):
        wire.pass_time(3)
        assert wire.answer(b"x") == b"x"
    wire.pass_time(7)
    assert wire.pipe.lost == "closed"


def test_the_routes_time_out_begins_when_the_upload_is_complete() -> None:
    wire = Wire([guarded("a", timeout=10)], timeouts=Timeouts(body_rate=0))
    wire.send(POST)
    for byte in (b"a", b"b", b"c"):
        wire.pass_time(9)
        wire.send(byte)
    wire.pass_time(8)
    assert statuses(wire.answer(OK)) == [200]


def test_nothing_takes_longer_than_anything_may() -> None:
    wire = Wire([guarded("a", timeout=0, idle_timeout=5)], timeouts=Timeouts(stream=20))
    wire.send(GET)
    wire.answer(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n")
    for _ in range(6):
        wire.pass_time(3)
        assert wire.answer(b"x") == b"x"
    wire.pass_time(3)
    assert wire.pipe.lost == "closed"
    assert details(wire) == [(200, "max_duration_timeout")]


@pytest.mark.parametrize(("asked", "status"), [(GET, 504), (POST, 408)])
def test_what_takes_longer_than_anything_may_is_told_so(asked: bytes, status: int) -> None:
    timeouts = Timeouts(request=0, body_rate=0, stream=20)
    wire = Wire([guarded("a", timeout=0, idle_timeout=0)], timeouts=timeouts)
    wire.send(asked)
    assert wire.pass_time(19) == b""
    assert statuses(wire.pass_time(3)) == [status]
    assert details(wire) == [(status, "max_duration_timeout")]
    assert wire.upstreams[0][1].lost == "aborted"


def test_two_deadlines_at_once_make_one_answer() -> None:
    wire = Wire([guarded("a", timeout=0, idle_timeout=20)], timeouts=Timeouts(request=20))
    wire.send(POST)
    assert len(statuses(wire.pass_time(25))) == 1
    assert len(wire.log) == 1


def test_an_answer_before_the_upload_is_complete_is_passed_on_at_once() -> None:
    wire = Wire()
    wire.send(b"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
    answer = wire.answer(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
    assert statuses(answer) == [413]
    assert b"Connection: close\r\n" in answer
    assert wire.upstreams[0][1].lost == "aborted"
    assert wire.send(b"3\r\ndef\r\n0\r\n\r\n" + GET) == b""
    assert wire.pipe.lost == "half"
    assert len(wire.log) == 1


def test_an_answer_that_streams_while_the_upload_goes_on() -> None:
    wire = Wire()
    wire.send(POST)
    assert wire.answer(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nhi").endswith(b"hi")
    wire.upstream()
    wire.send(b"abc")
    assert wire.upstream() == b"abc"
    assert wire.answer(b"yo") == b"yo"
    wire.send(GET)
    assert statuses(wire.answer(OK)) == [200]
    assert len(wire.upstreams) == 1


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nninebytes",
        b"HTTP/1.1 100 Continue\r\n\r\n" * (MAX_INTERIM + 1) + OK,
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: \x00\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"SSH-2.0-server\r\n",
        b"\x15\x03\x03\x00\x02\x02\x28",
        b"HTTP/2 200\r\n",
        b"\r\nHTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 200 OK\nContent-Length: 2\n\nhi",
        b"HTTP/1.1 200 OK\r\nX: a\rb",
        b"x" * (128 * 1024 + 1),
    ],
)
def test_answers_that_cannot_be_used_are_502(answer: bytes) -> None:
    wire = Wire()
    wire.send(GET)
    assert statuses(wire.answer(answer)) == [502]
    assert wire.upstreams[0][1].lost == "aborted"
    wire.send(GET)
    assert len(wire.upstreams) == 2
    assert len(wire.log) == 1


def test_a_second_answer_is_dropped_with_its_connection() -> None:
    wire = Wire()
    wire.send(GET)
    answers = read_answers(wire.answer(OK + b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"))
    assert [answer.body for answer in answers] == [b"hi"]
    wire.send(GET)
    assert len(wire.upstreams) == 2


def test_bytes_that_nobody_asked_for_end_the_connection() -> None:
    wire = Wire()
    wire.send(GET)
    wire.answer(OK)
    assert wire.answer(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil") == b""
    wire.send(GET)
    assert len(wire.upstreams) == 2


@pytest.mark.parametrize(
    "begun",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
    ],
)
def test_half_an_answer_never_looks_complete(begun: bytes) -> None:
    wire = Wire()
    wire.send(GET)
    received = wire.answer(begun) + wire.upstream_closes()
    assert read_answers(received) == []
    assert wire.pipe.lost == "closed"
    assert details(wire) == [(200, "upstream_reset_after_response_started{connection_termination}")]


def test_an_answer_without_a_length_is_not_complete_when_its_connection_breaks() -> None:
    wire = Wire()
    wire.send(GET)
    received = wire.answer(b"HTTP/1.1 200 OK\r\n\r\nhalf") + wire.upstream_closes(reason=ConnectionLost())
    assert read_answers(received) == []
    assert wire.pipe.lost == "closed"


def test_a_broken_chunk_within_an_answer_cuts_the_client_off() -> None:
    wire = Wire()
    wire.send(GET)
    received = wire.answer(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n"
    ) + wire.answer(b"zz\r\n")
    assert read_answers(received) == []
    assert wire.pipe.lost == "closed"


def test_interim_answers_stay_here() -> None:
    wire = Wire()
    wire.send(GET)
    assert wire.answer(b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n") == b""
    assert statuses(wire.answer(OK)) == [200]


def test_an_answer_may_arrive_byte_by_byte() -> None:
    wire = Wire()
    wire.send(GET)
    stream = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n"
    received = b"".join(wire.answer(stream[at : at + 1]) for at in range(len(stream)))
    assert [answer.body for answer in read_answers(received)] == [b"hi"]
    wire.send(GET)
    assert len(wire.upstreams) == 1


def test_what_cannot_become_an_answer_is_told_at_its_first_bad_byte() -> None:
    for begun in (b"HTTPS", b"HTTP/1.1 200 OK\r\nX: a\rb", b"HTTP/1.1 200 OK\n"):
        wire = Wire()
        wire.send(GET)
        assert b"".join(wire.answer(begun[at : at + 1]) for at in range(len(begun) - 1)) == b""
        assert statuses(wire.answer(begun[-1:])) == [502]


def test_targets_take_turns_by_weight() -> None:
    wire = Wire([guarded("a", to=(("one", 1), ("two", 2)))])
    hosts = []
    for _ in range(4):
        wire.send(GET)
        hosts.append(wire.upstream().split(b"Host: ")[1].split(b"\r\n")[0])
        wire.answer(OK.replace(b"OK\r\n", b"OK\r\nConnection: close\r\n"))
    assert hosts == [b"one:1", b"two:2", b"one:1", b"two:2"]


def test_a_fault_of_ours_is_500_and_never_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_arguments: object, **_options: object) -> None:
        raise RuntimeError("a fault of ours")

    wire = Wire()
    wire.slow = True
    monkeypatch.setattr(UpstreamConnection, "send", broken)
    wire.send(GET)
    wire.connect()
    assert statuses(wire.pipe.take()) == [500]
    assert len(wire.log) == 1


def test_free_connections_close_with_their_generation() -> None:
    wire = Wire()
    wire.send(GET)
    wire.answer(OK)
    wire.door.generation.close()
    assert wire.upstreams[0][1].lost == "closed"


def test_a_free_connection_reads_on_to_notice_its_end() -> None:
    wire = Wire()
    wire.send(GET)
    wire.answer(OK[:-1])
    wire.client.pauseProducing()
    wire.answer(OK[-1:])  # was under way already
    assert wire.upstreams[0][1].reading


def test_a_connection_that_comes_all_the_same_after_the_client_left_is_closed() -> None:
    wire = Wire()
    wire.slow = True
    wire.send(GET)
    waiting = wire.dialled[0][1]
    waiting._canceller = lambda _waiting: wire.connect()
    wire.client_closes()
    assert wire.upstreams[0][1].lost == "closed"
    assert wire.upstream() == b""
