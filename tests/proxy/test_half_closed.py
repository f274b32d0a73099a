"""Clients that have closed their own side: those that wait for their answer, and those that have left."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from pytest_twisted import async_yield_fixture, ensureDeferred
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionAborted, ConnectionDone, ConnectionLost
from twisted.python.failure import Failure

from pomerium_tw.proxy.uptake import MIN_TAKEN
from pomerium_tw.proxy.waiting import HALF_CLOSED_SECONDS
from tests.doors import OnLoopback, Wire, guarded, on_loopback

GET = b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
LONG = b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"
MINUTE = int(HALF_CLOSED_SECONDS)


@pytest.fixture
def wire() -> Iterator[Wire]:
    wire = Wire([guarded("a", timeout=0, idle_timeout=0)], access_fields=ENDS)
    yield wire
    wire.door.stop()


ENDS = ("size", "response-code", "response-code-details", "response-flags", "duration")


def ends(wire: Wire) -> list[tuple[Any, ...]]:
    """Status, details, flag and body bytes of each line."""
    return [
        (line["response-code"], line["response-code-details"], line["response-flags"], line["size"])
        for line in wire.log
    ]


def half_closed(wire: Wire, asked: bytes = GET) -> None:
    wire.send(asked)
    wire.client.readConnectionLost()


def hold(wire: Wire, size: int) -> None:
    """So many bytes of what was written are on their way still."""
    wire.pipe.dataBuffer = b"x" * size  # type: ignore[attr-defined]  # where Twisted's transports have them


def lose(wire: Wire, reason: Exception) -> None:
    wire.client.connectionLost(Failure(reason))


def test_a_pipeline_is_answered_to_its_end_though_it_takes_several_turns(wire: Wire) -> None:
    wire.client.dataReceived(b"GET /ping HTTP/1.1\r\nHost: a\r\n\r\n" * 100)
    wire.client.readConnectionLost()
    answers = wire.pipe.take()
    for _ in range(10):
        answers += wire.pass_time(1)
    assert answers.count(b"HTTP/1.1 200 ") == 100


def test_a_client_that_took_its_answer_is_let_go_at_once(wire: Wire) -> None:
    """Each counts against what its address may have until then."""
    half_closed(wire)
    wire.answer(OK)
    assert wire.pipe.lost == "half"
    wire.pipe.lost = ""
    wire.clock.advance(0.05)
    assert wire.pipe.lost == "closed"


# -- the answer is not there


def test_a_client_that_closed_its_side_and_is_given_nothing_did_not_refuse_to_read(wire: Wire) -> None:
    half_closed(wire)
    wire.pass_time(MINUTE + 2)
    assert wire.pipe.lost == "aborted"
    assert ends(wire) == [(0, "downstream_half_closed_timeout", "DC", 0)]


def test_a_client_that_closed_its_side_is_answered_within_a_minute(wire: Wire) -> None:
    half_closed(wire)
    wire.pass_time(MINUTE - 2)
    assert wire.answer(OK).endswith(b"hi")


def test_a_client_that_closed_its_side_and_reads_nothing_has_stalled(wire: Wire) -> None:
    half_closed(wire)
    hold(wire, 1000)
    wire.answer(LONG + b"x" * 1000)
    wire.pass_time(2 * MINUTE + 2)
    assert wire.pipe.lost == "aborted"
    assert ends(wire) == [(200, "stream_flush_timeout", "SI", 1000)]


# -- the answer is under way


def test_a_download_is_not_cut_while_it_flows_though_the_client_closed_its_side(wire: Wire) -> None:
    half_closed(wire)
    wire.answer(LONG)
    for _ in range(5):
        wire.answer(b"x")
        wire.pass_time(MINUTE - 1)
    assert wire.pipe.lost == ""
    assert wire.answer(b"x" * (100_000 - 5)).endswith(b"x")


def test_a_download_that_the_client_takes_slowly_is_not_cut_though_it_closed_its_side(wire: Wire) -> None:
    half_closed(wire)
    wire.answer(LONG)
    for minute in range(4):
        wire.answer(b"x" * MIN_TAKEN)
        hold(wire, 100)
        wire.pass_time(MINUTE)
        assert wire.pipe.lost == "", minute


@pytest.mark.parametrize("resumes", [False, True])
def test_a_download_that_stops_is_cut_after_a_minute_when_the_client_closed_its_side(
    wire: Wire, resumes: bool
) -> None:
    """Whoever was full and reads again has no more time than others."""
    half_closed(wire)
    wire.answer(LONG + b"x" * 1000)
    if resumes:
        wire.client.pauseProducing()
        wire.client.resumeProducing()
    wire.pass_time(MINUTE - 2)
    assert wire.pipe.lost == ""
    wire.pass_time(MINUTE + 4)
    assert wire.pipe.lost == "aborted"
    assert ends(wire) == [(200, "downstream_half_closed_timeout", "DC", 1000)]


# -- the answer is written


def test_an_answer_that_is_taken_is_logged_as_served_and_by_its_own_time(wire: Wire) -> None:
    half_closed(wire)
    wire.pass_time(3)
    wire.answer(OK)
    assert wire.pipe.lost == "half"
    wire.pass_time(2)
    assert wire.pipe.lost == "half"  # StringTransport remembers the first end only
    lose(wire, ConnectionDone())
    assert ends(wire) == [(200, "via_upstream", "", 2)]
    assert wire.log[0]["duration"] == 3000


def test_an_answer_that_meets_a_reset_is_logged_as_left_by_its_client(wire: Wire) -> None:
    half_closed(wire)
    wire.answer(OK)
    hold(wire, 2)
    wire.pipe.socket = SimpleNamespace(getsockopt=lambda *_: 32)  # type: ignore[attr-defined]
    wire.pass_time(2)
    assert wire.pipe.lost == "aborted"
    lose(wire, ConnectionAborted())
    assert ends(wire) == [(200, "downstream_remote_disconnect", "DC", 2)]


def test_an_answer_whose_reset_the_reactor_notices_is_logged_as_left_too(wire: Wire) -> None:
    half_closed(wire)
    wire.answer(OK)
    lose(wire, ConnectionLost())
    assert ends(wire) == [(200, "downstream_remote_disconnect", "DC", 2)]


def test_an_answer_that_is_on_its_way_is_waited_for(wire: Wire) -> None:
    half_closed(wire)
    wire.answer(OK)
    for left in range(6, 0, -1):
        hold(wire, left * MIN_TAKEN)
        wire.pass_time(MINUTE)
        assert wire.log == []
    assert wire.pipe.lost == "half"
    hold(wire, 0)
    wire.pass_time(2)
    lose(wire, ConnectionDone())
    assert ends(wire) == [(200, "via_upstream", "", 2)]


def test_an_answer_that_is_taken_no_further_is_not_waited_for_without_end(wire: Wire) -> None:
    half_closed(wire)
    wire.answer(OK)
    hold(wire, 2)
    wire.pass_time(MINUTE - 2)
    assert wire.pipe.lost == "half"
    wire.pass_time(4)
    assert wire.pipe.lost == "aborted"
    lose(wire, ConnectionAborted())
    assert ends(wire) == [(200, "stream_flush_timeout", "SI", 2)]


def test_of_several_answers_the_last_waits_to_be_logged(wire: Wire) -> None:
    half_closed(wire, GET + GET)
    assert wire.answer(OK).endswith(b"hi")
    assert ends(wire) == [(200, "via_upstream", "", 2)]
    wire.answer(OK)
    assert len(wire.log) == 1
    lose(wire, ConnectionLost())
    assert [line["response-flags"] for line in wire.log] == ["", "DC"]


# -- over sockets


@async_yield_fixture
async def place() -> Any:
    place, close = on_loopback([guarded("a")], access_fields=ENDS)
    yield place
    await close()


async def answered(place: OnLoopback, client: socket.socket, *, leaves: bool) -> list[dict[str, Any]]:
    """A client asks and closes its side, or all of it, before it is answered; what is logged of that."""
    asked: Deferred[Any] = Deferred()
    place.upstream.script["/x"] = lambda side, _request: asked.callback(side)
    read_closed: Deferred[Any] = Deferred()
    over: Deferred[Any] = Deferred()
    client.connect(("127.0.0.1", place.port))
    client.sendall(GET)
    side = await asked.addTimeout(5, reactor)
    (connection,) = place.door.listener._connections
    heard = connection.readConnectionLost
    connection.readConnectionLost = lambda: read_closed.callback(heard())  # type: ignore[method-assign]
    lost, look = connection.connectionLost, lambda: connection.expired(place.door.clock.seconds())
    connection.connectionLost = lambda reason: over.callback(lost(reason))  # type: ignore[method-assign]
    # Both sides are closed: the sweep looks at the connection a second later.
    connection.writeConnectionLost = look  # type: ignore[method-assign]
    if leaves:
        client.close()
    else:
        client.shutdown(socket.SHUT_WR)
    await read_closed.addTimeout(5, reactor)
    side.send(OK)
    await over.addTimeout(5, reactor)
    return place.door.access_log()


@pytest.mark.parametrize(
    ("leaves", "details", "flag"),
    [(False, "via_upstream", ""), (True, "downstream_remote_disconnect", "DC")],
)
@ensureDeferred
async def test_over_sockets_who_left_is_told_from_who_waits(
    place: OnLoopback, leaves: bool, details: str, flag: str
) -> None:
    with socket.socket() as client:
        (line,) = await answered(place, client, leaves=leaves)
        assert (line["response-code-details"], line["response-flags"]) == (details, flag)
        if not leaves:
            client.settimeout(5)
            assert client.recv(1000).endswith(b"hi")
            assert client.recv(1000) == b""
