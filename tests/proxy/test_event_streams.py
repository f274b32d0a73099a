"""Event streams: decided again while they last, and ended like everything that lasts too long."""

from __future__ import annotations

import gc

from pomerium_tw.model import Head
from pomerium_tw.proxy import Timeouts
from tests.doors import NOBODY, SIGNED_IN, Guarded, Wire, guarded

EVENTS = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n\r\ndata: 1\n\n"
PLAIN = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\npiece"


def listening(answer: bytes = EVENTS, route: Guarded | None = None) -> tuple[Wire, bytes]:
    """Somebody signed in who was sent the beginning of ``answer``."""
    wire = Wire([route or guarded("a", SIGNED_IN, timeout=0, idle_timeout=0)])
    cookie = wire.door.sign_in("a").encode()
    wire.send(b"GET /events HTTP/1.1\r\nHost: a\r\nCookie: " + cookie + b"\r\n\r\n")
    return wire, wire.answer(answer)


def test_events_pass_as_they_come() -> None:
    wire, begun = listening()
    assert begun.endswith(b"9\r\ndata: 1\n\n\r\n")
    assert wire.answer(b"data: 2\n\n") == b"9\r\ndata: 2\n\n\r\n"


def test_signing_out_ends_them_within_five_seconds() -> None:
    wire, _begun = listening()
    wire.door.sign_out()
    wire.pass_time(5)
    assert wire.pipe.lost == "closed"
    assert wire.upstreams[0][1].lost == "aborted"
    assert [line["response-code-details"] for line in wire.log] == ["access_revoked"]


def test_a_configuration_that_denies_them_ends_them() -> None:
    wire, _begun = listening()
    wire.door.reload([guarded("a", NOBODY, timeout=0, idle_timeout=0)])
    wire.pass_time(5)
    assert wire.pipe.lost == "closed"


def test_a_configuration_that_allows_them_leaves_them_alone() -> None:
    wire, _begun = listening()
    wire.door.reload([guarded("a", SIGNED_IN, timeout=0, idle_timeout=0)])
    wire.pass_time(5)
    assert wire.answer(b"data: 2\n\n") == b"9\r\ndata: 2\n\n\r\n"


def test_other_answers_end_as_they_began() -> None:
    wire, _begun = listening(PLAIN)
    wire.door.sign_out()
    wire.pass_time(100)
    assert wire.answer(b"more") == b"4\r\nmore\r\n"


def test_they_hold_nothing_that_only_requests_to_come_would_need() -> None:
    """Thousands are open at once, for hours, and what is made of a head is many times the head."""
    wire = Wire([guarded("held", timeout=0, idle_timeout=0)])
    for page in (b"one", b"one", b"two", b"two", b"events"):
        wire.send(b"GET / HTTP/1.1\r\nHost: held\r\nX-Page: %b\r\n\r\n" % page)
        if page != b"events":
            wire.answer(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    wire.upstream()
    wire.answer(EVENTS)
    wire.door.writer.flush()
    gc.collect()
    (head,) = [each for each in gc.get_objects() if type(each) is Head and each.host == "held"]
    assert head.memo == {}
    (forward,) = wire.door.lasting._all
    assert [each for each in vars(forward).values() if isinstance(each, bytes) and each] == []


def test_what_is_over_is_not_kept() -> None:
    wire, _begun = listening()
    assert len(wire.door.lasting) == 1
    wire.upstream_closes()
    assert len(wire.door.lasting) == 0


def test_a_stop_that_waits_no_longer_closes_them_without_a_reset() -> None:
    wire, _begun = listening()
    wire.answer(b"data: 2\n\n")
    wire.door.listener.abort()
    assert wire.pipe.lost == "closed"
    assert not wire.pipe.take().endswith(b"0\r\n\r\n")
    assert [line["response-code-details"] for line in wire.log] == ["shutdown"]


def test_a_stop_that_waits_no_longer_waits_for_no_slow_reader_either() -> None:
    wire, _begun = listening()
    wire.client.pauseProducing()
    wire.door.listener.abort()
    assert wire.pipe.lost == "aborted"
    assert [line["response-code-details"] for line in wire.log] == ["shutdown"]


def test_nothing_outlives_the_longest_time_of_an_exchange() -> None:
    route = guarded("a", timeout=0, idle_timeout=0)
    wire = Wire([route], timeouts=Timeouts(stream=20))
    wire.send(b"GET /events HTTP/1.1\r\nHost: a\r\n\r\n")
    wire.answer(EVENTS)
    for _ in range(18):
        wire.pass_time(1)
        wire.answer(b"data: more\n\n")
    assert wire.pipe.lost == ""
    wire.pass_time(3)
    assert wire.pipe.lost == "closed"
    assert [line["response-code-details"] for line in wire.log] == ["max_duration_timeout"]
