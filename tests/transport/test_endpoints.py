"""Where our own clients connect to."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet import error
from twisted.internet.protocol import Factory
from twisted.internet.testing import MemoryReactorClock

from pomerium_tw.transport import client_endpoint, is_localhost_name


@pytest.mark.parametrize(
    "name", ["localhost", "LOCALHOST", "app.localhost", "app.localhost.", "a.b.Localhost"]
)
def test_names_under_localhost_are_this_machine(name: str) -> None:
    assert is_localhost_name(name)


@pytest.mark.parametrize("name", ["localhost.example.com", "notlocalhost", "127.0.0.1", ""])
def test_other_names_are_not(name: str) -> None:
    assert not is_localhost_name(name)


def connected(host: str) -> tuple[MemoryReactorClock, Any]:
    reactor = MemoryReactorClock()
    connecting: Any = client_endpoint(reactor, host, 8080, 3.0).connect(Factory())
    return reactor, connecting


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8::1", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("x.localhost", "127.0.0.1"),
    ],
)
def test_addresses_are_connected_to_without_asking_a_resolver(host: str, address: str) -> None:
    reactor, _connecting = connected(host)
    assert [(call[0], call[1], call[3]) for call in reactor.tcpClients] == [(address, 8080, 3.0)]


def refuse(reactor: MemoryReactorClock, number: int) -> None:
    reactor.tcpClients[number][2].clientConnectionFailed(
        reactor.connectors[number], error.ConnectionRefusedError("no one")
    )


def test_localhost_is_tried_on_ipv6_when_nothing_listens_on_ipv4() -> None:
    reactor, connecting = connected("app.localhost")
    failures: list[Any] = []
    connecting.addErrback(failures.append)
    refuse(reactor, 0)
    assert [call[0] for call in reactor.tcpClients] == ["127.0.0.1", "::1"]
    assert failures == []
    refuse(reactor, 1)
    assert failures[0].check(error.ConnectionRefusedError)


def test_giving_up_on_the_first_address_does_not_try_the_second() -> None:
    reactor, connecting = connected("localhost")
    connecting.addErrback(lambda _failure: None)
    connecting.cancel()
    assert len(reactor.tcpClients) == 1
