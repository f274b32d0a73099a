"""The lean reactor, run for real: each test has one of its own."""

from __future__ import annotations

import os
import select
import socket
import threading
from collections.abc import Callable
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.error import ReactorNotRunning
from twisted.internet.protocol import ClientFactory, Factory, Protocol
from twisted.logger import globalLogPublisher
from twisted.python.failure import Failure

from pomerium_tw.transport import STOPPED_AGAIN

pytestmark = pytest.mark.skipif(not hasattr(select, "epoll"), reason="there is no epoll here")

LIMIT = 10.0
"""Seconds until a reactor that was not stopped is."""


class Echo(Protocol):
    """Sends back what it gets, and fails over one word."""

    def dataReceived(self, data: bytes) -> None:
        if data == b"break":
            raise RuntimeError("a protocol broke")
        transport: Any = self.transport
        transport.write(data)


class Caller(Protocol):
    def __init__(self, said: bytes, heard: Callable[[object], None]) -> None:
        self._said = said
        self._heard = heard

    def connectionMade(self) -> None:
        transport: Any = self.transport
        transport.write(self._said)

    def dataReceived(self, data: bytes) -> None:
        self._heard(data)

    def connectionLost(self, reason: Failure | None = None) -> None:
        self._heard("lost")


class Calls(ClientFactory):
    noisy = False

    def __init__(self, said: bytes, heard: Callable[[object], None]) -> None:
        self._make = lambda: Caller(said, heard)
        self._heard = heard

    def buildProtocol(self, addr: object) -> Caller:
        return self._make()

    def clientConnectionFailed(self, connector: object, reason: Failure) -> None:
        self._heard(reason.type.__name__)


@pytest.fixture
def lean() -> Any:
    from pomerium_tw.transport.lean import LeanEPollReactor

    return LeanEPollReactor()


def listen(reactor: Any) -> int:
    factory = Factory.forProtocol(Echo)
    factory.noisy = False
    port: int = reactor.listenTCP(0, factory, interface="127.0.0.1").getHost().port
    return port


def run(reactor: Any) -> None:
    late = reactor.callLater(LIMIT, reactor.stop)
    reactor.run(installSignalHandlers=False)
    assert late.active(), "the test took too long"


def test_bytes_go_to_and_fro_on_eager_transports(lean: Any) -> None:
    heard: list[object] = []

    def hear(what: object) -> None:
        heard.append(what)
        lean.stop()

    connector = lean.connectTCP("127.0.0.1", listen(lean), Calls(b"hello", hear))
    assert type(connector).__name__ == "EagerConnector"
    run(lean)
    assert heard[0] == b"hello"


def test_a_protocol_that_breaks_ends_its_own_connection_and_nothing_else(lean: Any) -> None:
    events: list[Any] = []
    heard: list[object] = []
    port = listen(lean)
    unharmed: list[Any] = []

    def broken(what: object) -> None:
        heard.append(what)
        unharmed[0].write(b"still here?")

    def well(what: object) -> None:
        heard.append(what)
        if what == b"first":
            unharmed.append(connector.transport)
            lean.connectTCP("127.0.0.1", port, Calls(b"break", broken))
        else:
            lean.stop()

    connector = lean.connectTCP("127.0.0.1", port, Calls(b"first", well))
    globalLogPublisher.addObserver(events.append)
    try:
        run(lean)
    finally:
        globalLogPublisher.removeObserver(events.append)
    assert heard[:3] == [b"first", "lost", b"still here?"]
    failures = [event["log_failure"] for event in events if "log_failure" in event]
    assert [str(failure.value) for failure in failures] == ["a protocol broke"]


def test_a_refused_connection_is_told(lean: Any) -> None:
    heard: list[object] = []

    def hear(what: object) -> None:
        heard.append(what)
        lean.stop()

    lean.connectTCP("127.0.0.1", 1, Calls(b"", hear), timeout=5)
    run(lean)
    assert heard == ["ConnectionRefusedError"]


class Gone:
    """A descriptor that forgot to take itself off the reactor before it closed."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.reasons: list[str] = []

    def fileno(self) -> int:
        return self.number

    def doRead(self) -> None:
        raise AssertionError("nothing may be read from it")

    def connectionLost(self, reason: Failure) -> None:
        self.reasons.append(reason.type.__name__)

    def logPrefix(self) -> str:
        return "gone"


def test_a_descriptor_that_went_away_is_dropped_unread(lean: Any) -> None:
    reading, writing = os.pipe()
    gone = Gone(reading)
    lean.addReader(gone)
    os.write(writing, b"x")
    gone.number = -1
    lean.callLater(0.05, lean.stop)
    run(lean)
    assert gone.reasons == ["ConnectionFdescWentAway"]
    for descriptor in (reading, writing):
        os.close(descriptor)


# -- the end of a turn


class Notes(Protocol):
    """Answers at once, and once more at the end of the turn."""

    def __init__(self, reactor: Any, seen: list[str]) -> None:
        self._reactor = reactor
        self._seen = seen

    def dataReceived(self, data: bytes) -> None:
        self._seen.append("read " + data.decode())
        self._answer(data)
        self._reactor.at_turn_end(lambda: self._answer(data.upper()))

    def _answer(self, data: bytes) -> None:
        transport: Any = self.transport
        transport.write(data)
        self._seen.append("wrote " + data.decode())


def test_a_turn_ends_when_all_is_read_and_before_anything_is_sent(lean: Any) -> None:
    seen: list[str] = []
    factory: Any = Factory()
    factory.noisy = False
    factory.buildProtocol = lambda _address: Notes(lean, seen)
    port = lean.listenTCP(0, factory, interface="127.0.0.1")
    clients = [socket.create_connection(("127.0.0.1", port.getHost().port), LIMIT) for _ in range(3)]
    try:
        while len(lean.getReaders()) < 5:  # the port, what wakes the reactor, the three
            lean.iterate(0.1)
        for client, data in zip(clients, (b"a", b"b", b"c"), strict=True):
            client.sendall(data)
        lean.at_turn_end(lambda: seen.append(f"sent {len(select.select(clients, [], [], 0)[0])}"))
        lean.doIteration(LIMIT)
        order = [each.split()[1] for each in seen if each.startswith("read")]
        at_once = [f"{what} {letter}" for letter in order for what in ("read", "wrote")]
        assert seen == [*at_once, "sent 0", *[f"wrote {letter.upper()}" for letter in order]]
        assert [client.recv(9) for client in clients] == [b"aA", b"bB", b"cC"]
    finally:
        for client in clients:
            client.close()
        port.stopListening()


def test_a_turn_ends_though_nothing_was_written_in_it(lean: Any) -> None:
    seen: list[str] = []
    reading, writing = os.pipe()

    class Reads(Gone):
        def doRead(self) -> None:
            os.read(self.number, 1)
            lean.at_turn_end(lambda: seen.append("end"))

    reads = Reads(reading)
    lean.addReader(reads)
    os.write(writing, b"x")
    lean.doIteration(LIMIT)
    assert seen == ["end"]
    lean.removeReader(reads)
    for descriptor in (reading, writing):
        os.close(descriptor)


@pytest.mark.parametrize("way", ["timer", "thread"])
def test_timers_and_calls_of_other_threads_have_an_end_of_their_turn_too(lean: Any, way: str) -> None:
    """The next poll may wait for long."""
    seen: list[str] = []

    def end() -> None:
        seen.append("end")
        lean.callLater(0, lean.stop)

    def first() -> None:
        lean.at_turn_end(end)
        seen.append("first")

    def calls() -> None:
        # From within a turn, so that both are of the next one.
        for call in (first, lambda: seen.append("second")):
            if way == "timer":
                lean.callLater(0, call)
            else:
                lean.callFromThread(call)

    if way == "timer":
        lean.callLater(0, calls)
    else:
        lean.callWhenRunning(lambda: threading.Thread(target=lambda: lean.callFromThread(calls)).start())
    run(lean)
    assert seen == ["first", "second", "end"]


def test_a_call_that_fails_at_the_end_of_a_turn_is_logged_and_the_others_are_made(lean: Any) -> None:
    events: list[Any] = []

    def fails() -> None:
        raise RuntimeError("a call broke")

    for call in (fails, lambda: lean.callLater(0, lean.stop)):
        lean.at_turn_end(call)
    globalLogPublisher.addObserver(events.append)
    try:
        run(lean)
    finally:
        globalLogPublisher.removeObserver(events.append)
    failures = [event["log_failure"] for event in events if "log_failure" in event]
    assert [str(failure.value) for failure in failures] == ["a call broke"]


def test_what_a_call_at_the_end_of_a_turn_wants_done_at_its_end_is_done(lean: Any) -> None:
    seen: list[str] = []

    def again(left: int) -> None:
        seen.append(f"call {left}")
        if left:
            lean.at_turn_end(lambda: again(left - 1))

    lean.at_turn_end(lambda: again(2))
    lean.callLater(0, lambda: seen.append("timer"))
    lean.runUntilCurrent()
    lean.callLater(0, lambda: seen.append("next turn"))
    lean.runUntilCurrent()
    assert seen == ["timer", "call 2", "call 1", "call 0", "next turn"]


def test_who_stops_the_reactor_at_the_end_of_a_turn_has_not_to_wait_for_an_event(lean: Any) -> None:
    lean.callLater(0, lambda: lean.at_turn_end(lean.stop))
    late = lean.callLater(LIMIT, lambda: None)
    lean.run(installSignalHandlers=False)
    assert late.active()


def test_who_stops_it_while_it_stops_is_heard_by_what_holds_it_up(lean: Any) -> None:
    held: Deferred[None] = Deferred()
    lean.addSystemEventTrigger("before", "shutdown", lambda: held)
    lean.addSystemEventTrigger("during", STOPPED_AGAIN, held.callback, None)
    lean.callLater(0, lean.stop)
    lean.callLater(0.01, lean.stop)
    late = lean.callLater(LIMIT, held.callback, None)
    lean.run(installSignalHandlers=False)
    assert late.active()


def test_what_does_not_run_cannot_be_stopped(lean: Any) -> None:
    with pytest.raises(ReactorNotRunning):
        lean.stop()


def test_a_clock_set_back_delays_no_timer(lean: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    wall = type(lean).seconds
    lean.callLater(0.05, lambda: monkeypatch.setattr(lean, "seconds", lambda: wall() - 3600))
    rung: list[str] = []
    told: list[float] = []
    lean.when_set_back.append(told.append)
    lean.callLater(0.2, lambda: rung.append("timer"))
    lean.callLater(0.3, lean.stop)
    patience = threading.Timer(LIMIT, lean.callFromThread, (lean.stop,))  # no clock of the reactor's
    patience.start()
    lean.run(installSignalHandlers=False)
    patience.cancel()
    assert rung == ["timer"]
    assert [round(seconds / 60) for seconds in told] == [60]
