"""The client's connection as a dialogue: pipelining, refusals, deadlines, back-pressure, the end."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from pomerium_tw.proxy import Timeouts
from pomerium_tw.proxy.downstream import MAX_BUFFERED
from pomerium_tw.proxy.head import MAX_HEAD_BYTES
from pomerium_tw.proxy.pipelining import MAX_AT_ONCE
from pomerium_tw.proxy.target import MAX_TARGET_BYTES
from tests.doors import NOBODY, Wire, guarded, read_answers

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"


def get(path: str = "/x", extra: bytes = b"") -> bytes:
    return b"GET " + path.encode() + b" HTTP/1.1\r\nHost: a\r\n" + extra + b"\r\n"


PING = get("/ping")


def test_pipelined_requests_are_answered_one_after_the_other() -> None:
    wire = Wire()
    assert wire.send(get("/1") + PING + get("/2")) == b""
    assert wire.upstream().startswith(b"GET /1 ")
    bodies = [answer.body for answer in read_answers(wire.answer(OK))]
    assert bodies == [b"hi", b"OK\n"]
    assert wire.upstream().startswith(b"GET /2 ")
    assert [answer.body for answer in read_answers(wire.answer(OK))] == [b"hi"]
    assert len(wire.upstreams) == 1


def test_many_pipelined_requests_need_no_stack() -> None:
    wire = Wire()
    assert len(read_answers(wire.send(PING * 3000))) == MAX_AT_ONCE + 1
    assert len(read_answers(wire.settle())) == 3000 - MAX_AT_ONCE - 1


def test_each_byte_of_a_request_line_is_looked_at_once() -> None:
    def cost(begun: bytes) -> float:
        wire = Wire()
        received = wire.client.dataReceived
        received(begun)
        before = time.process_time()
        for _ in range(MAX_TARGET_BYTES - 100):
            received(b"a")
        return time.process_time() - before

    def least(begun: bytes) -> float:
        return min(cost(begun) for _ in range(3))

    # Where every byte was looked for from the beginning of the line: five times as much.
    assert least(b"GET /ping?") < 2.5 * least(b"GET /ping HTTP/1.1\r\nHost: a\r\nX: ")


def test_requests_may_arrive_in_any_pieces() -> None:
    wire = Wire()
    stream = b"\r\n" + PING + b"POST /.pomerium/form HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"
    stream += b"Content-Type: application/x-www-form-urlencoded\r\n\r\n7\r\ntext=ab\r\n0\r\n\r\n" + PING
    received = b"".join(wire.send(stream[at : at + 1]) for at in range(len(stream)))
    assert [answer.body for answer in read_answers(received)] == [b"OK\n", b"ab", b"OK\n"]
    assert [answer.body for answer in read_answers(Wire().send(stream))] == [b"OK\n", b"ab", b"OK\n"]


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET / HTTP/1.1\nHost: a\n\n", 400),
        (b"GET /\r\n", 400),
        (b"\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET / HTTP/1.0\r\n", 426),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
        (b"CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n", 405),
        (b"get / HTTP/1.1\r\nHost: a\r\n\r\n", 405),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * MAX_HEAD_BYTES, 431),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * MAX_HEAD_BYTES + b"\r\n\r\n", 431),
        (b"\x16\x03\x01\x02\x00\x01\x00\n", 400),
    ],
)
def test_what_is_no_request_is_refused_at_once_and_ends_the_connection(sent: bytes, status: int) -> None:
    wire = Wire(response_headers={"X-Frame-Options": "DENY"})
    answer = read_answers(wire.send(sent))[0]
    assert answer.status == status
    assert str(answer.header("Connection")).startswith("close")
    assert len(str(answer.header("X-Request-Id"))) == 36
    assert answer.header("X-Frame-Options") == "DENY"
    assert wire.pipe.lost == "half"
    assert wire.send(PING) == b""


def test_refusals_say_what_the_protocol_asks_them_to() -> None:
    assert read_answers(Wire().send(b"GET / HTTP/1.0\r\n\r\n"))[0].header("Upgrade") == "HTTP/1.1"
    assert "GET" in str(read_answers(Wire().send(b"get / HTTP/1.1\r\nHost: a\r\n\r\n"))[0].header("Allow"))


@pytest.mark.parametrize("before", [b"", b"\r\n"])
@pytest.mark.parametrize(
    "rest",
    [
        pytest.param(b"a%2Fb HTTP/1.1\r\nHost: a\r\n\r\n", id="whole"),
        pytest.param(b"a%2Fb HTTP/1.1\r\nHost: a\r\n\r\n" + PING, id="with another behind it"),
        pytest.param(b" HTTP/1.1\r\nX: " + b"a" * MAX_HEAD_BYTES, id="unfinished"),
        pytest.param(b" HTTP/1.1\r\n", id="too slow"),
    ],
)
def test_head_that_is_refused_gets_the_length_of_a_body_without_it(before: bytes, rest: bytes) -> None:
    def refused(method: bytes) -> bytes:
        wire = Wire()
        answer = wire.send(before + method + b" /" + rest) + wire.pass_time(12)
        assert wire.pipe.lost
        return answer

    told = read_answers(refused(b"GET"))[0]
    sent = refused(b"HEAD")
    assert sent.partition(b"\r\n\r\n")[2] == b""
    head = read_answers(sent, heads_only=True)[0]
    assert told.body
    assert (head.status, head.header("Content-Length")) == (told.status, str(len(told.body)))


def test_what_only_begins_like_head_is_told_why_it_is_refused() -> None:
    assert read_answers(Wire().send(b"HEAD\r\n\r\n"))[0].body
    assert read_answers(Wire().send(b"HEADS / HTTP/1.0\r\n\r\n"))[0].body


def test_a_refusal_comes_after_the_answers_before_it() -> None:
    wire = Wire()
    wire.send(get() + b"nonsense\r\n\r\n")
    assert [answer.status for answer in read_answers(wire.answer(OK))] == [200, 400]


def test_nothing_after_close_is_looked_at() -> None:
    wire = Wire()
    wire.send(get(extra=b"Connection: close\r\n") + get("/second"))
    wire.upstream()
    assert len(read_answers(wire.answer(OK))) == 1
    assert wire.upstream() == b""
    assert wire.pipe.lost == "half"


def test_a_broken_chunk_is_answered_400_and_drops_the_upstream() -> None:
    wire = Wire()
    wire.send(b"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
    answer = read_answers(wire.send(b"zz\r\n"))[0]
    assert answer.status == 400
    assert wire.upstreams[0][1].lost == "aborted"
    assert not wire.upstream().endswith(b"0\r\n\r\n")
    assert [(line["response-code"], line["response-code-details"]) for line in wire.log] == [
        (400, "request_body_malformed")
    ]
    assert answer.header("X-Request-Id") == wire.log[0]["request-id"]


def test_a_broken_chunk_within_the_answer_cuts_the_connection() -> None:
    wire = Wire()
    wire.send(b"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
    wire.answer(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel")
    assert wire.send(b"zz\r\n") == b""
    assert wire.pipe.lost == "half"  # what it sends is read away, for answers before to arrive
    assert [line["response-code-details"] for line in wire.log] == ["request_body_malformed"]


# -- deadlines


def test_a_head_has_ten_seconds_from_its_first_byte_however_it_trickles() -> None:
    wire = Wire()
    received = b""
    seconds = 0
    for byte in get("/slow", b"X: y\r\n" * 3):
        received += wire.send(bytes([byte])) + wire.pass_time(1)
        seconds += 1
        if received:
            break
    assert read_answers(received)[0].status == 408
    assert 10 <= seconds <= 12
    wire.pass_time(7)
    assert wire.pipe.lost == "aborted"


def test_the_second_head_on_a_connection_has_its_own_ten_seconds() -> None:
    wire = Wire()
    wire.send(PING)
    wire.pass_time(100)
    wire.send(b"GET")
    assert wire.pass_time(8) == b""
    assert read_answers(wire.send(b" /ping HTTP/1.1\r\nHost: a\r\n\r\n"))[0].status == 200
    wire.send(b"GET")
    assert read_answers(wire.pass_time(12))[0].status == 408


def test_a_head_that_began_while_the_client_did_not_read_has_its_own_ten_seconds() -> None:
    wire = Wire()
    wire.send(PING + b"GET")
    wire.client.pauseProducing()
    wire.client.resumeProducing()
    assert wire.pass_time(8) == b""
    assert read_answers(wire.pass_time(4))[0].status == 408


def test_without_a_deadline_of_heads_only_silence_ends() -> None:
    wire = Wire(timeouts=Timeouts(head=0, idle=20))
    assert (wire.pass_time(18), wire.pipe.lost) == (b"", "")
    received = wire.send(PING + b"G")
    assert read_answers(received)[0].status == 200
    received = b""
    for byte in b"ET /ping":
        received += wire.pass_time(18) + wire.send(bytes([byte]))
    assert (received + wire.pass_time(18), wire.pipe.lost) == (b"", "")
    assert read_answers(wire.pass_time(4))[0].status == 408


def test_without_a_deadline_of_heads_a_silent_connection_still_ends_by_the_idle_time_out() -> None:
    wire = Wire(timeouts=Timeouts(head=0, idle=20))
    wire.pass_time(18)
    assert not wire.pipe.lost
    wire.pass_time(4)
    assert wire.pipe.lost == "closed"


def test_without_any_deadline_a_client_is_waited_for() -> None:
    wire = Wire(timeouts=Timeouts(head=0, idle=0))
    wire.pass_time(1000)
    for _ in range(2):
        wire.send(b"GET /ping HTTP/1.1\r\n")
        assert wire.pass_time(1000) == b""
        assert read_answers(wire.send(b"Host: a\r\n\r\n"))[0].status == 200
        wire.pass_time(1000)
    assert not wire.pipe.lost


def test_a_body_that_takes_too_long_is_answered_408() -> None:
    wire = Wire(timeouts=Timeouts(request=20))
    wire.send(b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n")
    received = b""
    for _ in range(22):
        received += wire.send(b"x") + wire.pass_time(1)
    assert read_answers(received)[0].status == 408
    assert wire.upstreams[0][1].lost == "aborted"
    assert [line["response-code"] for line in wire.log] == [408]


def test_an_idle_connection_is_closed() -> None:
    wire = Wire(timeouts=Timeouts(idle=60))
    wire.send(PING)
    wire.pass_time(59)
    assert not wire.pipe.lost
    assert wire.pass_time(3) == b""
    assert wire.pipe.lost == "closed"
    wire.pass_time(70)
    assert wire.pipe.lost == "aborted"  # it did not read what was left for it


def test_waiting_for_the_upstream_is_not_idling() -> None:
    wire = Wire([guarded("a", timeout=0, idle_timeout=0)], timeouts=Timeouts(idle=5, request=5))
    wire.send(get())
    wire.pass_time(60)
    assert read_answers(wire.answer(OK))[0].status == 200


# -- back-pressure


def test_a_client_that_does_not_read_stops_the_upstream() -> None:
    wire = Wire()
    wire.send(get())
    wire.answer(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhi")
    wire.client.pauseProducing()
    assert not wire.upstreams[0][1].reading
    wire.client.resumeProducing()
    assert wire.upstreams[0][1].reading


def test_an_answer_that_begins_while_the_client_does_not_read_waits() -> None:
    wire = Wire()
    wire.send(get())
    wire.client.pauseProducing()
    wire.answer(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhi")
    assert not wire.upstreams[0][1].reading


def test_a_client_that_does_not_read_gets_no_further_request_looked_at() -> None:
    wire = Wire()
    wire.send(PING)
    wire.client.pauseProducing()
    assert wire.send(PING) == b""
    wire.send(PING * (MAX_BUFFERED // len(PING) + 1))
    assert not wire.pipe.reading
    wire.client.resumeProducing()
    assert len(read_answers(wire.pipe.take() + wire.settle())) == MAX_BUFFERED // len(PING) + 2
    assert wire.pipe.reading


def test_an_upstream_that_does_not_read_stops_the_client() -> None:
    wire = Wire()
    wire.send(b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc")
    producer = wire.upstreams[0][1].producer
    producer.pauseProducing()
    assert not wire.pipe.reading
    wire.upstream()
    wire.send(b"def")  # was under way already
    assert wire.upstream() == b""
    producer.resumeProducing()
    assert wire.upstream() == b"def"
    assert wire.pipe.reading
    producer.pauseProducing()
    wire.send(b"ghij" + PING)
    producer.resumeProducing()
    assert wire.upstream() == b"ghij"
    assert [answer.status for answer in read_answers(wire.answer(OK))] == [200, 200]


def test_a_producer_of_an_earlier_exchange_has_no_say() -> None:
    wire = Wire()
    post = b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n"
    wire.send(post)
    stale = wire.upstreams[0][1].producer
    wire.send(b"abc")
    wire.answer(OK)
    wire.send(post)
    stale.pauseProducing()
    assert wire.pipe.reading
    wire.upstreams[0][1].producer.pauseProducing()
    stale.resumeProducing()
    assert not wire.pipe.reading


def test_waiting_requests_are_held_within_a_limit() -> None:
    wire = Wire()
    wire.slow = True
    wire.send(get() + b"x" * (MAX_BUFFERED + 1))
    assert not wire.pipe.reading


# -- the end


def test_a_client_that_leaves_is_logged_once_and_drops_the_upstream() -> None:
    wire = Wire()
    wire.send(get())
    wire.answer(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhi")
    wire.client_closes()
    assert wire.upstreams[0][1].lost == "aborted"
    wire.upstream_closes()
    assert [(line["response-code"], line["response-code-details"], line["size"]) for line in wire.log] == [
        (200, "downstream_remote_disconnect", 2)
    ]


def test_draining_finishes_the_present_exchange_and_closes_idle_connections() -> None:
    wire = Wire()
    idle = wire.client
    wire.open()
    wire.send(get() + PING)
    wire.door.listener.drain()
    assert idle.transport.lost == "closed"
    assert b"Connection: close\r\n" in wire.answer(OK)
    assert wire.pipe.lost
    assert len(wire.log) == 1


def test_draining_while_a_refused_body_is_read_away_still_closes() -> None:
    wire = Wire([guarded("a", NOBODY)])
    wire.send(b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n")
    wire.door.listener.drain()
    wire.send(b"abcde")
    assert wire.pipe.lost == "closed"


def test_heads_are_remembered_for_their_generation_only() -> None:
    wire = Wire()
    wire.send(PING)
    assert wire.client._reader._memo[b"Host: a\r\n"] is None
    wire.send(PING)
    first = wire.client._reader._memo[b"Host: a\r\n"]
    assert first is not None
    wire.send(PING)
    assert wire.client._reader._memo[b"Host: a\r\n"] is first
    wire.door.listener.generation = replace(wire.door.generation, number=2)
    wire.send(PING)
    assert wire.client._reader._memo[b"Host: a\r\n"] is not first
    for number in range(20):
        wire.send(get("/ping", b"X: %d\r\n" % number))
    assert len(wire.client._reader._memo) <= 4


def test_draining_tells_when_the_last_exchange_is_over() -> None:
    wire = Wire()
    wire.send(get())
    over: list[None] = []
    wire.door.listener.drain().addCallback(over.append)
    assert over == []
    wire.answer(OK)
    wire.client_closes()
    assert over == [None]


def test_what_does_not_end_in_time_is_cut_and_logged_as_that() -> None:
    wire = Wire()
    wire.send(get())
    wire.door.listener.abort()
    assert wire.pipe.lost == "aborted"
    assert [line["response-code-details"] for line in wire.log] == ["shutdown"]


def test_a_connection_that_never_begins_a_request_ends_soon() -> None:
    wire = Wire()
    wire.open()
    wire.pass_time(11)
    assert wire.pipe.lost == "closed"
