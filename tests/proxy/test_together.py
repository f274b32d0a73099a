"""Requests that arrive in one turn of the reactor: they are handled at its end, together and yet apart."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.logger import globalLogPublisher
from twisted.python.failure import Failure

from pomerium_tw.proxy.pipelining import MAX_AT_ONCE
from tests.doors import NOBODY, SIGNED_IN, Answer, Pipe, Wire, guarded, read_answers

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"


def get(path: str = "/x", extra: bytes = b"", host: bytes = b"a") -> bytes:
    return b"GET %b HTTP/1.1\r\nHost: %b\r\n%b\r\n" % (path.encode(), host, extra)


PING = get("/ping")
FORM = (
    b"POST /.pomerium/form HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-www-form-urlencoded\r\n"
    b"Content-Length: 6\r\n\r\ntext=a"
)


class Turns(Clock):
    """A clock with turns that end when the test says so."""

    def __init__(self) -> None:
        super().__init__()
        self._due: list[Callable[[], None]] = []

    def at_turn_end(self, call: Callable[[], None]) -> None:
        self._due.append(call)

    def end(self) -> None:
        while self._due:
            due, self._due = self._due, []
            for call in due:
                call()


class Client:
    """One of several that are connected."""

    def __init__(self, protocol: Any, pipe: Pipe) -> None:
        self.protocol = protocol
        self.pipe = pipe

    def sends(self, *pieces: bytes) -> None:
        for piece in pieces:
            self.protocol.dataReceived(piece)

    def ends(self) -> None:
        """It sends no more."""
        self.protocol.readConnectionLost()

    def leaves(self) -> None:
        self.protocol.connectionLost(Failure(ConnectionDone()))

    def got(self) -> list[Answer]:
        """Answers since the last time, which came whole."""
        data = self.pipe.take()
        answers = read_answers(data)
        assert len(answers) == data.count(b"HTTP/1.1 "), data
        return answers

    def statuses(self) -> list[int]:
        return [answer.status for answer in self.got()]


class Several(Wire):
    """Three clients at one door."""

    def __init__(self, *args: Any, **options: Any) -> None:
        self.turn = Turns()
        super().__init__(*args, clock=self.turn, **options)
        self.clients = [self._client()]
        for _ in range(2):
            self.open()
            self.clients.append(self._client())

    def _client(self) -> Client:
        return Client(self.client, self.pipe)

    def responds(self, index: int = -1, data: bytes = OK) -> None:
        """An upstream sends."""
        self.upstreams[index][0].dataReceived(data)

    def forwarded(self) -> list[str]:
        """Paths of the requests since the last time, in the order of the connections that they went by."""
        seen = [self.upstream(index) for index in range(len(self.upstreams))]
        return [path.decode() for head in seen for path in re.findall(rb"[A-Z]+ (\S+) HTTP/1.1\r\n", head)]


@pytest.fixture(autouse=True)
def failures() -> Iterator[Callable[[], list[str]]]:
    """What was logged as a failure of ours since the last time; none is left when a test ends."""
    events: list[Any] = []

    def failed() -> list[str]:
        found = [str(event["log_failure"].value) for event in events if "log_failure" in event]
        events.clear()
        return found

    globalLogPublisher.addObserver(events.append)
    yield failed
    globalLogPublisher.removeObserver(events.append)
    assert failed() == []


# -- in order


def test_requests_are_forwarded_when_the_turn_ends_in_the_order_in_which_they_arrived() -> None:
    wire = Several()
    for number in (2, 0, 1):
        wire.clients[number].sends(get(f"/{number}"))
    assert wire.upstreams == []
    wire.turn.end()
    assert wire.forwarded() == ["/2", "/0", "/1"]
    for index, number in enumerate((2, 0, 1)):
        wire.responds(index, b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n%d" % number)
        assert [answer.body for answer in wire.clients[number].got()] == [b"%d" % number]


def test_a_connection_is_served_in_one_turn_after_the_other() -> None:
    wire = Several()
    for number in range(3):
        for client in wire.clients:
            client.sends(get("/ping", b"X-Turn: %d\r\n" % number))
            assert client.got() == []
        wire.turn.end()
        assert [client.statuses() for client in wire.clients] == [[200]] * 3


def test_an_answer_and_the_next_request_may_come_in_one_turn() -> None:
    wire = Several()
    first = wire.clients[0]
    first.sends(get("/1"))
    wire.turn.end()
    wire.responds()
    first.sends(get("/2"))
    wire.turn.end()
    assert first.statuses() == [200]
    assert wire.forwarded() == ["/1", "/2"]
    assert len(wire.upstreams) == 1


def test_pipelined_requests_stay_in_order_and_are_answered_in_order() -> None:
    wire = Several()
    first, second, _third = wire.clients
    first.sends(get("/1") + get("/2"), PING, get("/3"))
    second.sends(get("/4"))
    wire.turn.end()
    assert sorted(wire.forwarded()) == ["/1", "/4"]
    index = [each[0] for each in wire.upstreams].index(first.protocol._exchange._sink._connection)
    wire.responds(index)
    assert wire.forwarded() == ["/2"]
    wire.responds(index)
    assert wire.forwarded() == ["/3"]
    wire.responds(index)
    assert [answer.body for answer in first.got()] == [b"hi", b"hi", b"OK\n", b"hi"]
    assert second.got() == []


def test_who_sends_thousands_of_requests_in_a_turn_keeps_nobody_waiting() -> None:
    wire = Several()
    first, second, _third = wire.clients
    first.sends(PING * 1000, PING * 1000)
    second.sends(PING)
    wire.turn.end()
    assert len(first.got()) == MAX_AT_ONCE + 1
    assert second.statuses() == [200]
    wire.settle()
    assert len(first.got()) == 2000 - MAX_AT_ONCE - 1


def test_who_waits_for_a_turn_is_not_late() -> None:
    wire = Several()
    first, second, _third = wire.clients
    for client in (first, second):
        client.sends(PING * 100)
    wire.turn.end()
    assert first.protocol._yielding
    now = wire.turn.seconds()
    for late in range(1, 100):
        first.protocol.expired(now + late)
        assert first.protocol.deadline > now
    wire.settle()
    assert first.statuses() == [200] * 100
    assert (second.statuses(), first.pipe.lost) == ([200] * 100, "")


def test_a_fault_while_a_pipelined_request_begins_ends_its_connection_alone(
    monkeypatch: pytest.MonkeyPatch, failures: Callable[[], list[str]]
) -> None:
    wire = Several()
    first, second, _third = wire.clients
    for client in (first, second):
        client.sends(PING * 100)
    wire.turn.end()

    def fails() -> bool:
        raise ArithmeticError("by design")

    monkeypatch.setattr(first.protocol, "_next_request", fails)
    wire.settle()
    assert failures() == ["by design"]
    assert first.pipe.lost == "aborted"
    assert 1 <= len(first.got()) < 100
    assert len(second.got()) == 100


# -- in pieces

STREAM = (
    FORM
    + PING
    + b"POST /.pomerium/form HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"
    + b"Content-Type: application/x-www-form-urlencoded\r\n\r\n7\r\ntext=bc\r\n0\r\n\r\n"
    + get("/nowhere", host=b"nobodys")
)


@pytest.mark.parametrize("turns", [1, 2])
def test_what_arrives_in_pieces_is_put_together_wherever_they_are_cut(turns: int) -> None:
    for at in range(1, len(STREAM)):
        wire = Several()
        client = wire.clients[1]
        client.sends(STREAM[:at])
        if turns == 2:
            wire.turn.end()
        client.sends(STREAM[at:])
        wire.turn.end()
        answers = [(answer.status, answer.body) for answer in client.got()]
        assert answers[:3] == [(200, b"a"), (200, b"OK\n"), (200, b"bc")], at
        assert [status for status, _body in answers[3:]] == [404], at


def test_a_body_that_comes_in_the_same_turn_goes_up_behind_its_head() -> None:
    wire = Several()
    client = wire.clients[0]
    client.sends(b"POST /up HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\n", b"abc", b"def", get("/after"))
    wire.clients[1].sends(get("/other"))
    wire.turn.end()
    sent = [wire.upstream(index) for index in range(2)]
    assert sorted(each.partition(b"\r\n\r\n")[2] for each in sent) == [b"", b"abcdef"]
    up = next(index for index, each in enumerate(sent) if each.startswith(b"POST"))
    wire.responds(up)
    assert wire.upstream(up).startswith(b"GET /after ")


def test_a_piece_of_a_head_has_its_time_from_the_turn_in_which_it_came() -> None:
    wire = Several()
    wire.clients[0].sends(PING[:20])
    wire.clients[1].sends(PING)
    wire.turn.end()
    wire.pass_time(13)
    assert wire.clients[0].statuses() == [408]
    assert wire.clients[1].statuses() == [200]


def test_an_upgrade_and_what_comes_behind_it_may_arrive_in_one_turn() -> None:
    wire = Several([guarded("a", upgrades=frozenset(["websocket"]))])
    client = wire.clients[0]
    asked = b"Connection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    client.sends(get("/ws", asked + b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"), b"early")
    wire.clients[1].sends(PING)
    wire.turn.end()
    assert wire.clients[1].statuses() == [200]
    assert wire.forwarded() == ["/ws"]
    granted = b"Connection: Upgrade\r\nUpgrade: websocket\r\n"
    granted += b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
    wire.responds(0, b"HTTP/1.1 101 Switching Protocols\r\n" + granted + b"\r\nhello")
    assert client.pipe.take().endswith(b"hello")
    client.sends(b" and late")
    assert wire.upstream(0) == b"early and late", "there is no turn to wait for any more"


def test_who_does_not_read_when_the_turn_ends_is_served_when_it_reads() -> None:
    wire = Several()
    client = wire.clients[0]
    client.sends(get("/later"))
    client.protocol.pauseProducing()
    wire.turn.end()
    assert wire.forwarded() == []
    client.protocol.resumeProducing()
    assert wire.forwarded() == ["/later"]
    wire.responds()
    assert client.statuses() == [200]


# -- one of them is another matter


def test_a_bad_head_among_good_ones_is_refused_and_the_others_are_served() -> None:
    wire = Several()
    first, second, third = wire.clients
    first.sends(PING)
    second.sends(get(extra=b"Bad Name: x\r\n"))
    third.sends(PING)
    wire.turn.end()
    assert [client.statuses() for client in wire.clients] == [[200], [400], [200]]
    assert [client.pipe.lost for client in wire.clients] == ["", "half", ""]
    second.sends(PING)
    wire.turn.end()
    assert second.got() == []


def test_each_is_answered_as_who_it_is_and_by_what_it_asked_for() -> None:
    wire = Several(
        [
            guarded("a", SIGNED_IN, pass_identity_headers=True),
            guarded("b", pass_identity_headers=True),
            guarded("c", NOBODY),
        ],
        claim_headers={"X-Email": "email"},
    )
    first, second, third = wire.clients
    cookie = b"Cookie: " + wire.door.sign_in("a").encode() + b"\r\n"
    first.sends(get("/signed-in", cookie))
    second.sends(get("/anonymous", host=b"b"))
    third.sends(get("/denied", cookie, host=b"c"))
    wire.turn.end()
    # Whose proof has to be made first goes upstream after whose is at hand.
    anonymous, signed_in = sorted((wire.upstream(0), wire.upstream(1)))
    assert signed_in.startswith(b"GET /signed-in ") and b"\r\nX-Email: ann@example.com\r\n" in signed_in
    assert anonymous.startswith(b"GET /anonymous ") and b"\r\nX-Email: \r\n" in anonymous
    assertions = [re.search(rb"Jwt-Assertion: (\S+)", each) for each in (signed_in, anonymous)]
    assert all(assertions) and assertions[0] != assertions[1]
    assert (third.statuses(), first.got(), second.got()) == ([403], [], [])
    first.sends(get("/pipelined", cookie))
    third.sends(get("/nobody", host=b"a"))
    wire.turn.end()
    assert third.statuses() == [302]
    assert wire.forwarded() == []


def test_each_line_of_the_log_is_of_its_own_request() -> None:
    wire = Several()
    for number, client in enumerate(wire.clients):
        client.sends(get("/nowhere", b"User-Agent: client %d\r\n" % number, host=b"nobodys"))
    wire.turn.end()
    ids = [client.got()[0].header("X-Request-Id") for client in wire.clients]
    assert len(set(ids)) == 3
    assert {line["request-id"]: line["user-agent"] for line in wire.log} == {
        request_id: f"client {number}" for number, request_id in enumerate(ids)
    }


class ByPath:
    """A step that does something else at some paths."""

    name, reads, edits = "by path", (), ()

    def __init__(self, **calls: Callable[[], Any]) -> None:
        self._calls = calls

    def advance(self, exchange: Any) -> Any:
        call = self._calls.get(exchange.request.target.path[1:])
        return None if call is None else call()


def breaks() -> None:
    raise RuntimeError("broken")


def test_a_step_that_fails_for_one_lets_it_through_nowhere_and_the_others_go_on(
    failures: Callable[[], list[str]],
) -> None:
    wire = Several(steps=[ByPath(broken=breaks)])
    for client, path in zip(wire.clients, ("/1", "/broken", "/2"), strict=True):
        client.sends(get(path))
    wire.turn.end()
    assert wire.clients[1].statuses() == [500]
    assert wire.forwarded() == ["/1", "/2"]
    assert failures() == ["broken"]


def test_who_has_to_wait_keeps_nobody_else_waiting() -> None:
    waiting = Deferred[None]()
    wire = Several(steps=[ByPath(waits=lambda: waiting)])
    wire.clients[0].sends(get("/waits"), PING)
    wire.clients[1].sends(PING)
    wire.turn.end()
    assert wire.clients[1].statuses() == [200]
    assert wire.clients[0].got() == []
    waiting.callback(None)
    assert wire.forwarded() == ["/waits"]
    wire.responds()
    assert [answer.body for answer in wire.clients[0].got()] == [b"hi", b"OK\n"]


def test_a_connection_that_fails_to_begin_is_cut_and_no_other_is(failures: Callable[[], list[str]]) -> None:
    class Broken:
        peer = None

        def read(self, _block: bytes, _generation: object) -> None:
            raise RuntimeError("broken")

    wire = Several()
    first, second, third = wire.clients
    second.protocol._reader = Broken()
    first.sends(PING)
    second.sends(get("/1"))
    third.sends(get("/2"))
    wire.turn.end()
    assert (first.statuses(), second.got(), second.pipe.lost) == ([200], [], "aborted")
    assert wire.forwarded() == ["/2"]
    assert failures() == ["broken"]


# -- the end of a client


@pytest.mark.parametrize("sent", [(PING,), (PING[:9], PING[9:]), (FORM[:70], FORM[70:])])
def test_who_ends_in_the_turn_of_its_request_is_answered(sent: tuple[bytes, ...]) -> None:
    wire = Several()
    first, second, _third = wire.clients
    second.sends(get("/other"))
    first.sends(*sent)
    first.ends()
    wire.turn.end()
    assert len(first.got()) == 1
    assert first.pipe.lost == "closed"
    assert wire.forwarded() == ["/other"], "once"


def test_who_ends_behind_several_requests_is_answered_all_of_them() -> None:
    wire = Several()
    client = wire.clients[0]
    client.sends(get("/1") + PING, get("/2"))
    client.ends()
    wire.turn.end()
    wire.responds()
    assert client.pipe.lost == ""
    wire.responds()
    assert client.statuses() == [200, 200, 200]
    assert client.pipe.lost == "half"  # and the rest once it is known whether it took them


def test_who_sends_after_another_has_ended_in_the_same_turn_is_served() -> None:
    wire = Several()
    first, second, third = wire.clients
    first.sends(PING)
    first.ends()
    second.sends(PING)
    third.sends(PING)
    third.ends()
    wire.turn.end()
    assert [client.statuses() for client in wire.clients] == [[200]] * 3


def test_a_piece_of_a_head_that_ends_in_its_turn_is_over() -> None:
    wire = Several()
    wire.clients[0].sends(PING[:-1])
    wire.clients[0].ends()
    wire.turn.end()
    assert wire.clients[0].got() == []
    assert wire.clients[0].pipe.lost == "aborted"


@pytest.mark.parametrize(
    "sent", [get("/gone"), get("/gone") + PING, PING[:9], b"nonsense\r\n\r\n", FORM[:-1]]
)
def test_who_leaves_in_the_turn_of_its_request_is_forgotten_without_a_word(sent: bytes) -> None:
    wire = Several()
    first, second, third = wire.clients
    second.sends(get("/1"))
    first.sends(sent)
    first.leaves()
    third.sends(get("/2"))
    wire.turn.end()
    assert wire.forwarded() == ["/1", "/2"]
    assert first.pipe.take() == b""
    assert wire.log == []


def test_who_is_cut_off_by_anothers_request_is_not_answered() -> None:
    wire = Several(steps=[ByPath(cuts=lambda: wire.clients[0].leaves())])
    first, second, third = wire.clients
    first.sends(get("/nowhere", host=b"nobodys"))
    second.sends(get("/cuts"))
    third.sends(PING)
    wire.turn.end()
    assert first.pipe.take() == b""
    assert third.statuses() == [200]
    assert wire.forwarded() == ["/cuts"]


# -- what else may happen in a turn


def test_a_session_that_ends_in_the_turn_of_its_request_lets_in_nobody() -> None:
    wire = Several([guarded("a", SIGNED_IN)])
    cookie = b"Cookie: " + wire.door.sign_in("a").encode() + b"\r\n"
    wire.clients[0].sends(get("/1", cookie))
    wire.turn.end()
    wire.responds()
    assert wire.clients[0].statuses() == [200]
    wire.clients[0].sends(get("/2", cookie))
    wire.door.sign_out()
    wire.turn.end()
    assert wire.clients[0].statuses() == [302]
    assert wire.forwarded() == ["/1"]


def test_requests_of_a_turn_with_a_reload_have_the_new_generation_from_head_to_upstream() -> None:
    wire = Several([guarded("a"), guarded("gone")])
    first, second, third = wire.clients
    for client in wire.clients:
        client.sends(get("/ping", host=b"gone"))
    third.sends(get("/before"))
    wire.turn.end()
    assert [len(client.got()) for client in wire.clients] == [1, 1, 1]
    first.sends(get("/old", host=b"gone"))
    wire.door.reload([guarded("a"), guarded("new")])
    second.sends(get("/new", host=b"new"))
    wire.turn.end()
    assert first.statuses() == [404]
    assert wire.forwarded() == ["/before", "/new"]
    generations = [client.protocol._exchange.generation.number for client in (third, second)]
    assert generations == [1, 2], "a request ends with the generation that it began with"
    wire.responds(0)
    wire.responds(1)
    assert (second.statuses(), third.statuses()) == ([200], [200])


def test_who_is_drained_in_the_turn_of_its_request_is_answered_a_last_time() -> None:
    wire = Several()
    first, second, third = wire.clients
    done: list[None] = []
    first.sends(get("/1"))
    second.sends(PING)
    wire.door.listener.drain().addCallback(done.append)
    assert [client.pipe.lost for client in wire.clients] == ["", "", "closed"]
    wire.turn.end()
    wire.responds()
    for client in (first, second):
        (answer,) = client.got()
        assert (answer.status, answer.header("Connection")) == (200, "close")
        assert client.pipe.lost in ("closed", "half")
    assert not done
    for client in (first, second, third):
        client.leaves()
    assert done == [None]


@pytest.mark.parametrize("sent", [get("/1"), get("/1") + PING, PING[:9], FORM[:-1], b"nonsense\r\n\r\n"])
def test_who_is_cut_off_in_the_turn_of_its_request_gets_nothing(sent: bytes) -> None:
    wire = Several()
    for client in wire.clients:
        client.sends(sent)
    wire.door.listener.abort()
    wire.turn.end()
    assert [(client.pipe.take(), client.pipe.lost) for client in wire.clients] == [(b"", "aborted")] * 3
    for client in wire.clients:
        client.leaves()
    assert wire.upstreams == []


@pytest.mark.parametrize("sent", [PING + PING, FORM, b"\r\n" + PING, get("/1") + PING])
def test_what_was_here_whole_when_the_drain_came_is_answered(sent: bytes) -> None:
    wire = Several()
    client = wire.clients[0]
    client.sends(sent)
    wire.door.listener.drain()
    wire.turn.end()
    if wire.upstreams:
        wire.responds()
    (answer,) = client.got()
    assert answer.header("Connection") == "close"


def test_a_piece_of_a_request_is_not_waited_for_when_the_drain_came() -> None:
    wire = Several()
    client = wire.clients[0]
    client.sends(b"GET / HT")
    wire.door.listener.drain()
    wire.turn.end()
    assert (client.got(), client.pipe.lost) == ([], "half")


def test_who_is_gone_within_the_batch_is_not_forwarded() -> None:
    wire = Several(steps=[ByPath(cuts=lambda: wire.clients[0].leaves())])
    first, second, _third = wire.clients
    first.sends(get("/gone"))
    second.sends(get("/cuts"))
    wire.turn.end()
    assert wire.forwarded() == ["/cuts"]


def test_who_is_gone_within_the_batch_is_logged_as_gone() -> None:
    wire = Several(steps=[ByPath(cuts=lambda: wire.clients[0].leaves())])
    first, second, _third = wire.clients
    first.sends(get("/nowhere", host=b"nobodys"))
    second.sends(get("/cuts"))
    wire.turn.end()
    assert wire.log[0]["response-code-details"] != "route_not_found"


def test_a_refusal_that_breaks_takes_nobody_along(failures: Callable[[], list[Any]]) -> None:
    def broken(_data: bytes = b"") -> None:
        raise OSError("a broken transport")

    wire = Several([guarded("a", SIGNED_IN)])
    first, second, third = wire.clients
    first.protocol.write = broken
    first.pipe.abortConnection = broken  # type: ignore[method-assign]
    second.sends(PING)
    first.sends(b"nonsense\r\n\r\n")
    third.sends(PING)
    wire.turn.end()
    assert failures()
    assert (second.statuses(), third.statuses()) == ([200], [200])
