"""How connections and bodies end: who is owed what, and for how long."""

from __future__ import annotations

from pomerium_tw.proxy import Timeouts
from tests.doors import NOBODY, Wire, guarded

POST = b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nabcdef"
GET = b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n"
PING = b"GET /ping HTTP/1.1\r\nHost: a\r\n\r\n"
FORM = b"POST /.pomerium/form HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\ntext=a"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"


def test_a_whole_request_with_body_is_answered_though_the_client_closed_its_side_while_we_connect() -> None:
    wire = Wire()
    wire.slow = True
    wire.send(POST)
    wire.client.readConnectionLost()
    assert wire.pipe.lost == ""
    wire.slow = False
    wire.connect()
    assert wire.upstream().endswith(b"abcdef")
    assert wire.answer(OK).startswith(b"HTTP/1.1 200")


def test_a_pipelined_request_behind_a_body_is_answered_though_the_client_closed_its_side() -> None:
    wire = Wire()
    wire.slow = True
    wire.send(
        b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nabcdefGET /ping HTTP/1.1\r\nHost: a\r\n\r\n"
    )
    wire.client.readConnectionLost()
    wire.slow = False
    wire.connect()
    got = wire.answer(OK)
    assert got.count(b"HTTP/1.1 200") == 2


def test_a_client_that_reads_nothing_is_cut_though_its_body_ended_after_it_had_stopped() -> None:
    wire = Wire([guarded("a", timeout=0, idle_timeout=0)], timeouts=Timeouts(request=0))
    wire.send(b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nabc")
    wire.answer(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + b"x" * 50000)
    wire.client.pauseProducing()
    wire.send(b"def")
    wire.pass_time(600)
    assert wire.pipe.lost == "aborted"


def test_a_free_upstream_connection_reads_on_when_the_last_piece_clogged_the_client() -> None:
    wire = Wire()
    wire.send(b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n")
    wire.answer(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n01234")
    write = wire.pipe.write

    def full(data: bytes) -> None:
        write(data)
        wire.client.pauseProducing()  # what transports do when their buffer is full

    wire.client.write = full
    wire.answer(b"56789")
    assert wire.upstreams[0][1].reading


def test_a_rest_of_a_body_that_never_comes_is_not_waited_for_without_end() -> None:
    wire = Wire(timeouts=Timeouts(request=0))
    wire.send(b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 60000\r\n\r\nabc")
    # The upstream reads no more, and answers.
    wire.upstreams[0][1].producer.pauseProducing()
    wire.answer(OK)
    wire.pass_time(600)
    assert wire.pipe.lost != ""


def test_a_request_behind_a_form_is_answered_though_the_client_closed_its_side() -> None:
    wire = Wire()
    wire.send(GET + FORM + PING)
    wire.client.readConnectionLost()
    assert wire.answer(OK).count(b"HTTP/1.1 200") == 3


def test_a_half_closed_client_is_not_waited_for_without_end_after_its_body() -> None:
    wire = Wire([guarded("a", timeout=0, idle_timeout=0)], timeouts=Timeouts(request=0))
    wire.slow = True
    wire.send(b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nabcdef")
    wire.client.readConnectionLost()
    wire.connect()
    wire.pass_time(600)
    assert wire.pipe.lost


def test_a_body_that_is_here_is_not_too_slow_while_we_connect() -> None:
    wire = Wire(timeouts=Timeouts(request=0))
    wire.slow = True
    assert wire.send(b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nabcdef") == b""
    assert wire.pass_time(15) == b""


def test_a_body_is_not_too_slow_while_a_step_waits() -> None:
    wire = Wire()
    wire.slow = True
    wire.send(b"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n")
    assert b"408" not in wire.pass_time(15)


def test_answers_before_one_that_breaks_off_are_not_lost_with_it() -> None:
    """A reset makes the client's system throw away what it has not read yet, earlier answers with it."""
    wire = Wire()
    wire.send(GET + GET)
    wire.answer(OK)
    wire.answer(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhi")
    wire.upstream_closes()
    assert wire.pipe.lost == "closed"


def test_a_client_with_thousands_of_requests_at_once_leaves_the_reactor_to_others_in_between() -> None:
    """Measured over sockets: 400 KB of ``GET /ping`` kept all others waiting for 1 s, denials for 2 s."""
    wire = Wire()
    assert wire.send(PING * 2000).count(b"HTTP/1.1 200") < 200
    rest = 0
    for _ in range(2000):
        wire.clock.advance(0)
        rest += wire.pipe.take().count(b"HTTP/1.1 200")
    assert rest > 1800


def test_the_last_answer_is_not_thrown_away_when_the_client_closes_its_side_after_it() -> None:
    """A FIN says that no more comes, not that nothing is read: what was written is still to be delivered."""
    wire = Wire([guarded("a", NOBODY)])
    refused = wire.send(b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\nabc")
    assert b" 403 " in refused
    assert wire.pipe.lost == "half"
    wire.client.readConnectionLost()
    assert wire.pipe.lost != "aborted"
