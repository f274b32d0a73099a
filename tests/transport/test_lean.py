"""The lean reactor, run for real: each test has one of its own."""

from __future__ import annotations

import os
import select
from collections.abc import Callable
from typing import Any

import pytest
from twisted.internet.protocol import ClientFactory, Factory, Protocol
from twisted.logger import globalLogPublisher
from twisted.python.failure import Failure

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
