"""Rows SM of the threat table: framing and smuggling, over real sockets.

What is refused is answered, the connection is closed, and the upstream has not seen one byte of it.
"""

from __future__ import annotations

import socket
import time
from typing import Any

import pytest
from pytest_twisted import ensureDeferred
from twisted.internet import reactor
from twisted.internet.threads import deferToThread

from pomerium_tw.transport.eager import SHORT_READ
from tests.doors import SOON, OnLoopback, UpstreamSide, read_answers, wait

CHUNKED = b"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
GET = b"GET /after HTTP/1.1\r\nHost: a\r\n\r\n"


def post(*lines: bytes, body: bytes = b"") -> bytes:
    return b"\r\n".join([b"POST /x HTTP/1.1", b"Host: a", *lines, b"", body])


def row(name: str, sent: bytes, status: int = 400) -> Any:
    return pytest.param(sent, status, id=name)


HEADS = [
    row("SM-01 CL.TE", post(b"Content-Length: 6", b"Transfer-Encoding: chunked", body=b"0\r\n\r\nG")),
    row("SM-02 TE.CL", post(b"Transfer-Encoding: chunked", b"Content-Length: 4", body=b"5c\r\nGPOST")),
    row("SM-03 CL.CL", post(b"Content-Length: 3", b"Content-Length: 4", body=b"abcd")),
    row("SM-04 list", post(b"Content-Length: 3, 3", body=b"abc")),
    row("SM-04 equal lines", post(b"Content-Length: 3", b"Content-Length: 3", body=b"abc")),
    *[
        row(f"SM-05 {value!r}", post(b"Content-Length: " + value, body=b"abc"))
        for value in (b"+3", b"-0", b"0x3", b"1_0", b" 3\x0b", "٣".encode(), b"3" * 30)
    ],
    row(
        "SM-06 two lines",
        post(b"Transfer-Encoding: chunked", b"Transfer-Encoding: identity", body=b"0\r\n\r\n"),
    ),
    *[
        row(f"SM-06 {value!r}", post(b"Transfer-Encoding: " + value, body=b"0\r\n\r\n"))
        for value in (b"identity, chunked", b"chunked;q=1", b"Chunked\x0b", b"\x0bchunked")
    ],
    # HTTP/1.0 is refused by its version (§2b), before its framing could mean anything.
    row("SM-07", b"POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    row("SM-08 space", post(b"Transfer-Encoding : chunked", body=b"0\r\n\r\n")),
    row("SM-08 underscore", post(b"Transfer_Encoding: chunked", body=b"0\r\n\r\n")),
    row("SM-08 tab", post(b"\tTransfer-Encoding: chunked", body=b"0\r\n\r\n")),
    row("SM-09 fold", post(b"X: a", b" b")),
    row("SM-09 folded TE", post(b"Transfer-Encoding:", b" chunked", body=b"0\r\n\r\n")),
]


@pytest.mark.parametrize(("sent", "status"), HEADS)
@ensureDeferred
async def test_a_head_that_two_parsers_could_read_differently_is_refused(
    place: OnLoopback, sent: bytes, status: int
) -> None:
    caller = await place.call(sent + GET)
    answers = read_answers(await caller.end())
    assert [answer.status for answer in answers] == [status]
    assert not caller.reset
    assert place.upstream.seen == b""


BODIES = [
    *[
        row(f"SM-10 {size!r}", CHUNKED + size + b"\r\nabc\r\n0\r\n\r\n")
        for size in (b"0x3", b"+3", b"3 ", b"-3", b"F" * 17)
    ],
    row("SM-11 LF", CHUNKED + b"3;a\nb\r\nabc\r\n0\r\n\r\n"),
    row("SM-11 64 kB", CHUNKED + b"3;" + b"a" * 65536),
    row("SM-11 under 8 kB", CHUNKED + b"3;" + b"a" * 8000),
    row("SM-12 wrong end", CHUNKED + b"3\r\nabcXX0\r\n\r\n"),
    row("SM-12 bare LF", CHUNKED + b"3\nabc\n0\n\n"),
]


@pytest.mark.parametrize(("sent", "status"), BODIES)
@ensureDeferred
async def test_a_broken_chunked_body_is_refused(place: OnLoopback, sent: bytes, status: int) -> None:
    caller = await place.call(sent)
    answers = read_answers(
        await caller.end() if b"a" * 8000 not in sent else (await caller.answer()) and caller.received
    )
    assert [answer.status for answer in answers] == [status]
    # The upstream may have seen the head: never an end of the body, and its connection was dropped.
    assert place.upstream.requests == []
    assert b"\r\n0\r\n\r\n" not in place.upstream.seen.partition(b"\r\n\r\n")[2]


@pytest.mark.parametrize(
    "sent",
    [
        b"GET / HTTP/1.1\nHost: a\r\n",
        b"GET / HTTP/1.1\r\nHost: a\nX: b",
        b"GET / HTTP/1.1\r\nHost: a\r\n\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX: b\rc",
        b"GET /\r HTTP/1.1\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX: b\n\r\n\r\n",
    ],
)
@ensureDeferred
async def test_sm_13_bare_line_ends_are_refused_within_100_ms(place: OnLoopback, sent: bytes) -> None:
    caller = await place.call()
    begun = time.monotonic()
    caller.send(sent)
    answer = await caller.answer()
    assert time.monotonic() - begun < 0.1
    assert answer.status == 400
    await caller.end()
    assert place.upstream.seen == b""


@ensureDeferred
async def test_sm_14_trailers_do_not_reach_the_upstream(place: OnLoopback) -> None:
    trailers = b"X-Pomerium-Claim-Email: e\r\nHost: evil\r\nTE: x\r\nAuthorization: Basic x\r\n"
    caller = await place.call(CHUNKED + b"3\r\nabc\r\n0\r\n" + trailers + b"\r\n")
    assert (await caller.answer()).status == 200
    assert place.upstream.seen.endswith(b"\r\n\r\n3\r\nabc\r\n0\r\n\r\n")
    for name in (b"Claim", b"evil", b"Authorization"):
        assert name not in place.upstream.seen


@ensureDeferred
async def test_sm_14_trailers_of_an_answer_pass_but_for_what_is_ours(place: OnLoopback) -> None:
    forged = b"X-Pomerium-Jwt-Assertion: x\r\nx_pomerium.user: y\r\nSet-Cookie: _pomerium=z\r\nHost: evil\r\n"
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    place.upstream.script["/x"] = head + b"3\r\nabc\r\n0\r\nGrpc-Status: 0\r\n" + forged + b"X-Sum: 1\r\n\r\n"
    caller = await place.call(b"GET /x HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nConnection: TE\r\n\r\n")
    ending = b"\r\n0\r\nGrpc-Status: 0\r\nX-Sum: 1\r\n\r\n"
    await caller.until(lambda: caller.received.endswith(ending))
    assert b"TE: trailers\r\n" in place.upstream.seen
    caller.send(GET)
    await caller.until(lambda: caller.received.count(b"HTTP/1.1 200") == 2)


@pytest.mark.parametrize("host", [b"nobody", b"login", b"unknown"])
@ensureDeferred
async def test_sm_15_a_body_that_nobody_reads_is_never_a_request(place: OnLoopback, host: bytes) -> None:
    smuggled = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
    head = b"POST / HTTP/1.1\r\nHost: " + host + b"\r\nContent-Length: %d\r\n\r\n" % len(smuggled)
    caller = await place.call(head + smuggled + GET)
    answers = await caller.answers(2)
    assert [answers[0].status in (302, 403, 404), answers[1].status] == [True, 200]
    assert [request.split()[1] for request in place.upstream.requests] == [b"/after"]


@ensureDeferred
async def test_sm_16_expectations(place: OnLoopback) -> None:
    caller = await place.call(post(b"Content-Length: 3", b"Expect: 100-continue"))
    await caller.until(lambda: b"100 Continue" in caller.received)
    caller.send(b"abc")
    await caller.answer()
    assert caller.received.count(b"HTTP/1.1 ") - caller.received.count(b"POST /x HTTP/1.1 ") == 2
    assert caller.received.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n")
    unknown = await place.call(post(b"Content-Length: 3", b"Expect: y 100-continue"))
    assert read_answers(await unknown.end())[0].status == 417
    assert len(place.upstream.requests) == 1


@ensureDeferred
async def test_sm_17_pipelined_answers_come_in_order(place: OnLoopback) -> None:
    running: Any = reactor

    def slow(side: UpstreamSide, _request: bytes) -> None:
        running.callLater(0.1, side.send, b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfirst")

    place.upstream.script["/first"] = slow
    place.upstream.script["/second"] = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecond"
    caller = await place.call(
        b"GET /first HTTP/1.1\r\nHost: a\r\n\r\nGET /second HTTP/1.1\r\nHost: a\r\n\r\n"
    )
    assert [answer.body for answer in await caller.answers(2)] == [b"first", b"second"]


@ensureDeferred
async def test_sm_18_pipelining_after_an_empty_chunked_body(place: OnLoopback) -> None:
    caller = await place.call(CHUNKED + b"0\r\n\r\n" + post(b"Content-Length: 3", body=b"abc"))
    await caller.answers(2)
    caller.send(GET)
    answers = await caller.answers(3)
    assert [answer.status for answer in answers] == [200, 200, 200]
    assert [answer.body.split()[1] for answer in answers] == [b"/x", b"/x", b"/after"]
    assert answers[1].body.endswith(b"abc")


@pytest.mark.parametrize("framing", ["length", "chunked", "large"])
@ensureDeferred
async def test_sm_19_a_denied_body_then_a_request(place: OnLoopback, framing: str) -> None:
    smuggled = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
    head = b"POST / HTTP/1.1\r\nHost: nobody\r\n"
    if framing == "length":
        sent = head + b"Content-Length: %d\r\n\r\n" % len(smuggled) + smuggled
    elif framing == "chunked":
        sent = head + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(smuggled), smuggled)
    else:
        sent = head + b"Content-Length: 500000\r\n\r\n" + smuggled * (500000 // len(smuggled))
    caller = await place.call(sent + GET)
    assert (await caller.answer()).status == 403
    if framing == "length":
        assert (await caller.answers(2))[1].status == 200
    else:
        await caller.end()
        assert len(read_answers(caller.received)) == 1
    assert b"smuggled" not in place.upstream.seen


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nninebytes",
        b"HTTP/1.1 102 Processing\r\n\r\n" * 1000,
        b"HTTP/1.1 200 OK\r\nX: a\x00b\r\nContent-Length: 0\r\n\r\n",
    ],
)
@ensureDeferred
async def test_sm_22_an_answer_that_splits_is_502_and_its_connection_is_not_used_again(
    place: OnLoopback, answer: bytes
) -> None:
    place.upstream.script["/x"] = answer
    caller = await place.call(b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n")
    assert (await caller.answer()).status == 502
    first = next(side for side in place.upstream.connections if b"/x" in side.seen)
    caller.send(GET)
    assert (await caller.answers(2))[1].status == 200
    assert b"/after" not in first.seen


@ensureDeferred
async def test_sm_23_two_answers_to_one_request(place: OnLoopback) -> None:
    place.upstream.script["/x"] = (
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"
    )
    caller = await place.call(b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n")
    await caller.answer()
    caller.send(GET)
    answers = await caller.answers(2)
    assert answers[0].body == b"1"
    assert b"/after" in answers[1].body
    assert b"evil" not in caller.received


@ensureDeferred
async def test_sm_23_a_second_answer_behind_one_that_ends_where_a_read_does(place: OnLoopback) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n"
    length = SHORT_READ - len(head % SHORT_READ)
    first = head % length + bytes(length)
    assert len(first) == SHORT_READ
    place.upstream.script["/x"] = first + head % 4 + b"evil"
    caller = await place.call(b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n" + GET)
    answers = await caller.answers(2)
    assert b"/after" in answers[1].body
    assert b"evil" not in caller.received


@ensureDeferred
async def test_an_upstream_that_closed_behind_its_answer_gets_no_other_request(place: OnLoopback) -> None:
    def close(side: UpstreamSide, _request: bytes) -> None:
        transport: Any = side.transport
        transport.getHandle().send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")
        transport.getHandle().shutdown(socket.SHUT_WR)

    place.upstream.script["/x"] = close
    post = b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"
    caller = await place.call(post * 20)
    assert [answer.status for answer in await caller.answers(20)] == [200] * 20


@pytest.mark.parametrize("status", [b"200 OK", b"400 Bad Request", b"426 Upgrade Required"])
@ensureDeferred
async def test_sm_24_a_refused_upgrade_is_a_plain_answer_and_opens_no_tunnel(
    place: OnLoopback, status: bytes
) -> None:
    asked = (b"Connection: Upgrade", b"Upgrade: websocket", b"Sec-WebSocket-Version: 13")
    key = b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
    place.upstream.script["/ws"] = b"HTTP/1.1 " + status + b"\r\nContent-Length: 2\r\n\r\nno"
    caller = await place.call(b"\r\n".join([b"GET /ws HTTP/1.1", b"Host: sockets", *asked, key, b"", b""]))
    answer = await caller.answer()
    assert (answer.status, answer.body) == (int(status[:3]), b"no")
    # In a tunnel the upstream would read this as a request that nobody has decided on.
    caller.send(b"GET /smuggled HTTP/1.1\r\nHost: nobody\r\n\r\n")
    await caller.until(lambda: len(read_answers(caller.received)) == 2 or caller.closed)
    assert [later.status for later in read_answers(caller.received)[1:]] in ([403], [])
    assert b"/smuggled" not in place.upstream.seen


@ensureDeferred
async def test_sm_26_a_body_of_a_get_is_forwarded_once(place: OnLoopback) -> None:
    caller = await place.call(b"GET /x HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc")
    assert (await caller.answer()).status == 200
    assert place.upstream.seen.count(b"abc") == 1
    assert b"Content-Length: 3\r\n" in place.upstream.seen


@ensureDeferred
async def test_do_05_a_huge_body_to_a_closed_door_is_answered_without_reading_it(place: OnLoopback) -> None:
    caller = await place.call(b"POST / HTTP/1.1\r\nHost: nobody\r\nContent-Length: 10000000000\r\n\r\n")
    for _ in range(30):
        caller.send(b"x" * 100_000)
        await wait(0.001)
    assert (await caller.answer()).status == 403
    assert not caller.reset
    assert place.upstream.seen == b""


@pytest.mark.parametrize("host", [b"169.254.169.254", b"localhost", b"127.0.0.1", b"unknown.example"])
@ensureDeferred
async def test_ss_01_a_host_without_a_route_connects_nowhere(place: OnLoopback, host: bytes) -> None:
    caller = await place.call(b"GET / HTTP/1.1\r\nHost: " + host + b"\r\n\r\n")
    assert (await caller.answer()).status == 404
    assert place.upstream.seen == b""


@pytest.mark.parametrize(
    ("target", "seen"), [(b"/@evil", b"/@evil"), (b"//evil/x", b"/evil/x"), (b"http:evil", b"")]
)
@ensureDeferred
async def test_ss_02_the_target_host_comes_from_the_configuration(
    place: OnLoopback, target: bytes, seen: bytes
) -> None:
    caller = await place.call(b"GET " + target + b" HTTP/1.1\r\nHost: a\r\n\r\n")
    assert (await caller.answer()).status == (200 if seen else 400)
    expected = b"GET " + seen + b" HTTP/1.1\r\nHost: up:80\r\n" if seen else b""
    assert place.upstream.seen.startswith(expected)
    assert bool(place.upstream.seen) is bool(seen)


@ensureDeferred
async def test_a_client_that_sends_all_before_it_reads_sees_the_refusal(place: OnLoopback) -> None:
    """Lingering close: a reset would take the answer away (RFC 9112 §9.6)."""

    def talk() -> bytes:
        with socket.create_connection(("127.0.0.1", place.port), SOON) as connection:
            connection.sendall(b"POST / HTTP/1.1\r\nHost: nobody\r\nContent-Length: 900000\r\n\r\n")
            for _ in range(90):
                connection.sendall(b"x" * 10_000)
            received = b""
            while piece := connection.recv(65536):
                received += piece
        return received

    answers = read_answers(await deferToThread(talk))
    assert [answer.status for answer in answers] == [403]
