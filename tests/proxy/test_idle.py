"""The idle time-out of a route: silence ends an exchange, a slow side does not, one that stalls is let go."""

from __future__ import annotations

import gc
from typing import Any

import pytest

from pomerium_tw.model import Head
from pomerium_tw.proxy import Timeouts
from pomerium_tw.proxy.uptake import FLUSH_SECONDS, MIN_TAKEN
from tests.doors import Pipe, Wire, guarded, read_answers

GET = b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n"
LONG = b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"
IDLE = 10
MINUTE = int(FLUSH_SECONDS)


@pytest.fixture
def wire() -> Any:
    routes = [guarded("a", timeout=0, idle_timeout=IDLE)]
    wire = Wire(routes, timeouts=Timeouts(request=0, body_rate=0), access_fields=ENDS)
    yield wire
    wire.door.stop()


ENDS = ("response-code", "response-code-details", "response-flags")


def ends(wire: Wire) -> list[tuple[Any, ...]]:
    return [tuple(line[name] for name in ENDS) for line in wire.log]


def left(pipe: Pipe, size: int) -> None:
    """So many bytes of what was written are on their way still."""
    pipe.dataBuffer = b"x" * size  # type: ignore[attr-defined]  # where Twisted's transports have them


def statuses(received: bytes) -> list[int]:
    return [answer.status for answer in read_answers(received)]


# -- clients that read slowly


def downloading(wire: Wire, asked: bytes = GET) -> None:
    """The client has stopped for now to read its answer."""
    wire.send(asked)
    wire.answer(LONG + b"x" * 1000)
    left(wire.pipe, 90_000)
    wire.client.pauseProducing()


def test_a_download_that_the_client_takes_slowly_is_not_cut(wire: Wire) -> None:
    downloading(wire)
    for minute in range(1, 5):
        wire.pass_time(MINUTE - 1)
        left(wire.pipe, 90_000 - minute * MIN_TAKEN)
        wire.pass_time(1)
        assert (wire.pipe.lost, wire.upstreams[0][1].lost) == ("", "")


def test_nothing_is_remembered_of_the_requests_of_a_client_that_takes_its_answer_slowly(wire: Wire) -> None:
    wire.send(GET.replace(b"Host: a", b"Host: a\r\nX-Slow: 1") * 3)
    for _ in range(3):
        wire.answer(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    downloading(wire)
    wire.pass_time(MINUTE - 1)
    left(wire.pipe, 0)
    wire.pass_time(2)
    wire.door.writer.flush()
    gc.collect()
    heads = [each for each in gc.get_objects() if type(each) is Head and each.get(b"x-slow")]
    assert (heads, wire.pipe.lost) == ([], "")


def test_a_client_that_takes_nothing_is_let_go_after_a_minute(wire: Wire) -> None:
    downloading(wire)
    wire.pass_time(MINUTE + 2)
    assert (wire.pipe.lost, wire.upstreams[0][1].lost) == ("aborted", "aborted")
    assert ends(wire) == [(200, "stream_flush_timeout", "SI")]


def test_an_upstream_has_its_whole_time_once_the_client_reads_again(wire: Wire) -> None:
    downloading(wire)
    wire.pass_time(MINUTE // 2)
    wire.client.resumeProducing()
    wire.pass_time(IDLE - 1)
    assert wire.answer(b"x") == b"x"
    wire.pass_time(IDLE + 2)
    assert ends(wire) == [(200, "stream_idle_timeout", "SI")]
    assert wire.upstreams[0][1].lost == "aborted"


def test_a_client_that_reads_slowly_while_it_uploads_is_not_cut(wire: Wire) -> None:
    """The upstream waits for it, and takes no more of the upload until it can answer on."""
    downloading(wire, POST + b"x" * 1000)
    for size in (80_000, 60_000, 59_999):
        left(wire.pipe, size)
        wire.pass_time(IDLE)
        assert (wire.pipe.lost, wire.upstreams[0][1].lost) == ("", "")
    wire.pass_time(IDLE)
    assert ends(wire) == [(200, "stream_idle_timeout", "SI")]


def test_what_came_while_the_client_was_clogged_does_not_hide_what_it_took(wire: Wire) -> None:
    downloading(wire, POST)
    left(wire.pipe, 95_000)
    wire.answer(b"x" * 5000)
    left(wire.pipe, 94_000)
    wire.pass_time(IDLE + 1)
    assert wire.pipe.lost == ""


# -- upstreams that read slowly


def uploading(wire: Wire, size: int = 90_000) -> Any:
    """The upstream has yet to take ``size`` bytes, and we read no more meanwhile."""
    wire.send(POST)
    connection, pipe = wire.upstreams[0]
    left(pipe, size)
    wire.send(b"x" * 1000)
    pipe.producer.pauseProducing()
    return connection, pipe


def test_an_upload_that_the_upstream_takes_slowly_is_not_cut(wire: Wire) -> None:
    _connection, pipe = uploading(wire)
    for size in (80_000, 60_000, 59_999):
        left(pipe, size)
        wire.pass_time(IDLE)
        assert (wire.pipe.lost, pipe.lost) == ("", "")


def test_the_end_of_an_upload_that_is_taken_slowly_is_waited_for_too(wire: Wire) -> None:
    wire.send(POST)
    _connection, pipe = wire.upstreams[0]
    left(pipe, 90_000)
    wire.send(b"x" * 50_000)
    left(pipe, 140_000)
    wire.send(b"x" * 50_000)
    for size in (130_000, 60_000):
        left(pipe, size)
        wire.pass_time(IDLE)
        assert (wire.pipe.lost, pipe.lost) == ("", "")
    assert statuses(wire.pass_time(IDLE + 2)) == [504]


def test_an_upstream_that_takes_nothing_is_to_blame_and_let_go(wire: Wire) -> None:
    _connection, pipe = uploading(wire)
    assert wire.pass_time(IDLE - 1) == b""
    assert statuses(wire.pass_time(3)) == [504]
    assert pipe.lost == "aborted"
    assert ends(wire) == [(504, "stream_idle_timeout", "SI")]


def test_a_client_that_sends_nothing_is_to_blame_once_all_was_taken(wire: Wire) -> None:
    uploading(wire, 0)
    assert statuses(wire.pass_time(IDLE + 2)) == [408]
    assert ends(wire) == [(408, "stream_idle_timeout", "SI")]


def test_a_client_is_not_to_blame_for_what_we_do_not_read_while_we_connect(wire: Wire) -> None:
    wire.slow = True
    wire.send(POST)
    assert statuses(wire.pass_time(IDLE + 2)) == [504]
