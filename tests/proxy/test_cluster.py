from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import succeed
from twisted.internet.error import ConnectionDone
from twisted.python.failure import Failure

from pomerium_tw.model import Upstream
from pomerium_tw.proxy import Cluster, Endpoint, ResponseRules
from pomerium_tw.proxy.cluster import MAX_IDLE
from tests.doors import Pipe

UP = Upstream("http", "up", 80)


class Dial:
    def __init__(self, pipe: type[Pipe] = Pipe) -> None:
        self._pipe = pipe

    def connect(self, factory: Any) -> Any:
        protocol = factory.buildProtocol(None)
        pipe: Any = self._pipe()
        pipe.protocol = protocol
        protocol.makeConnection(pipe)
        return succeed(protocol)


def connected(endpoint: Endpoint) -> Any:
    made: list[Any] = []
    endpoint.connect().addCallback(made.append)
    return made[0]


def test_lost_connections_take_no_room_among_the_free() -> None:
    endpoint = Endpoint(UP, Dial(), ResponseRules())  # type: ignore[arg-type]
    lost = [connected(endpoint) for _ in range(MAX_IDLE)]
    for connection in lost:
        connection.sent()  # free
    for connection in lost[:-1]:
        connection.connectionLost(Failure(ConnectionDone()))
    fresh = connected(endpoint)
    fresh.sent()
    assert fresh.alive
    assert [endpoint.take(), endpoint.take(), endpoint.take()] == [fresh, lost[-1], None]


def test_no_more_are_kept_than_the_limit() -> None:
    endpoint = Endpoint(UP, Dial(), ResponseRules())  # type: ignore[arg-type]
    made = [connected(endpoint) for _ in range(MAX_IDLE + 1)]
    for connection in made:
        connection.sent()
    assert made[-1].transport.lost == "closed"
    assert endpoint.take() is made[-2]


def test_after_closing_nothing_is_kept() -> None:
    endpoint = Endpoint(UP, Dial(), ResponseRules())  # type: ignore[arg-type]
    free, busy = connected(endpoint), connected(endpoint)
    free.sent()
    Cluster("c", [endpoint]).close()
    assert (free.transport.lost, busy.transport.lost) == ("closed", "")
    busy.sent()
    assert busy.transport.lost == "closed"


class Unread(Pipe):
    """What lies unread is read when it is asked for, as of a real connection."""

    unread = b""

    def catch_up(self) -> None:
        unread, self.unread = self.unread, b""
        if unread:
            self.protocol.dataReceived(unread)


@pytest.mark.parametrize("scheme", ["http", "unix", "https", "https+unix"])
def test_a_connection_with_an_answer_that_nobody_asked_for_is_not_handed_out(scheme: Any) -> None:
    endpoint = Endpoint(Upstream(scheme, "up", 443), Dial(Unread), ResponseRules())  # type: ignore[arg-type]
    clean, poisoned = connected(endpoint), connected(endpoint)
    clean.sent()
    poisoned.sent()
    poisoned.transport.unread = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison"
    assert endpoint.take() is clean
    assert (poisoned.transport.lost, clean.transport.lost) == ("aborted", "")


def test_one_endpoint_needs_no_turns() -> None:
    endpoint = Endpoint(UP, Dial(), ResponseRules())  # type: ignore[arg-type]
    assert Cluster("c", [endpoint]).pick() is endpoint
