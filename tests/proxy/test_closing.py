"""The end of a client's connection: answers that were written before it arrive."""

from __future__ import annotations

from pomerium_tw.proxy.downstream import MAX_BUFFERED
from tests.doors import Wire, read_answers

GET = b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n"
PING = b"GET /ping HTTP/1.1\r\nHost: a\r\n\r\n"
CHUNKED = b"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
BEGUN = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel"


def test_an_answer_that_breaks_off_does_not_take_those_before_it_along_when_requests_wait() -> None:
    """The system resets a connection that is closed with bytes unread, and drops what it has to send."""
    wire = Wire()
    wire.send(GET + GET + PING)
    wire.answer(OK)
    wire.answer(BEGUN)
    assert wire.upstream_closes() == b""
    assert wire.pipe.lost == "half"
    assert wire.send(PING) == b""  # read away
    wire.client.readConnectionLost()
    wire.pass_time(1)
    assert wire.pipe.lost != "aborted"


def test_an_answer_that_breaks_off_does_not_take_those_before_it_along_when_we_had_stopped_reading() -> None:
    wire = Wire()
    wire.send(GET + GET + PING * (MAX_BUFFERED // len(PING)))
    assert not wire.pipe.reading
    wire.answer(OK)
    wire.answer(BEGUN)
    wire.upstream_closes()
    assert wire.pipe.reading
    assert wire.pipe.lost == "half"


def test_an_answer_that_breaks_off_does_not_take_those_before_it_along_when_a_body_comes() -> None:
    wire = Wire()
    wire.send(b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc")
    wire.answer(BEGUN)
    wire.upstream_closes()
    assert wire.pipe.lost == "half"


def test_draining_does_not_take_an_answer_along_that_is_being_read_when_requests_wait() -> None:
    wire = Wire()
    assert read_answers(wire.send(PING))[0].status == 200
    wire.client.pauseProducing()
    wire.send(PING)
    wire.door.listener.drain()
    assert wire.pipe.lost == "half"


def test_a_client_of_which_all_was_read_is_closed_with_its_broken_answer() -> None:
    wire = Wire()
    wire.send(GET)
    wire.answer(BEGUN)
    wire.upstream_closes()
    assert wire.pipe.lost == "closed"


UPLOAD = b"POST /x HTTP/1.1\r\nHost: nobody\r\nContent-Length: 99000000\r\n\r\n"


def refused_while_it_sends() -> Wire:
    """A client that has the last answer, and would read it when all is sent."""
    wire = Wire()
    assert wire.send(UPLOAD).startswith(b"HTTP/1.1 404 ")
    assert wire.pipe.lost == "half"
    return wire


def test_what_a_client_still_sends_is_read_away_as_long_as_it_comes() -> None:
    wire = refused_while_it_sends()
    for _ in range(28):
        wire.send(b"x" * (1 << 20))
        wire.pass_time(1)
        assert (wire.pipe.lost, wire.pipe.reading) == ("half", True)


def test_a_client_that_sends_without_end_is_cut() -> None:
    wire = refused_while_it_sends()
    for _ in range(32):
        wire.send(b"x")
        wire.pass_time(1)
    assert wire.pipe.lost == "aborted"


def test_a_client_that_sends_no_more_and_does_not_close_is_cut_sooner() -> None:
    wire = refused_while_it_sends()
    wire.pass_time(4)
    wire.send(b"x")
    wire.pass_time(4)
    assert wire.pipe.lost == "half"
    wire.pass_time(3)
    assert wire.pipe.lost == "aborted"


def answered_while_it_sends() -> Wire:
    """A client that has its answer, and whose short body is read away so that the connection can be kept."""
    wire = Wire()
    wire.send(CHUNKED)
    wire.answer(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\n")
    assert wire.answer(b"no").endswith(b"no")
    assert not wire.pipe.lost
    return wire


def test_a_short_body_may_come_slowly_after_its_answer() -> None:
    wire = answered_while_it_sends()
    for _ in range(25):
        wire.send(b"1\r\nx\r\n")
        wire.pass_time(1)
    assert read_answers(wire.send(b"0\r\n\r\n" + PING))[0].status == 200
    wire.pass_time(20)
    assert not wire.pipe.lost


def test_a_short_body_that_comes_no_more_after_its_answer_is_not_waited_for() -> None:
    wire = answered_while_it_sends()
    wire.pass_time(7)
    assert wire.pipe.lost == "aborted"


def test_a_client_that_breaks_its_body_off_after_the_answer_still_gets_all_of_it() -> None:
    wire = answered_while_it_sends()
    wire.client.readConnectionLost()
    assert wire.pipe.lost == "closed"
