"""Where our own clients connect to."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet import error
from twisted.internet.address import IPv4Address
from twisted.internet.interfaces import IReactorPluggableNameResolver
from twisted.internet.protocol import Factory
from twisted.internet.testing import MemoryReactorClock
from zope.interface import directlyProvides, providedBy

from pomerium_tw.transport import CONNECT_SECONDS, TLSEndpoint, client_endpoint, is_localhost_name


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


class Slow:
    """A resolver that answers when it is told to, or at once when it was told before."""

    def __init__(self) -> None:
        self.receiver: Any = None
        self.addresses: tuple[str, ...] | None = None
        self.given_up = 0
        self.asked: list[str] = []

    def resolveHostName(self, receiver: Any, name: str, portNumber: int = 0) -> Slow:
        self.asked.append(name)
        receiver.resolutionBegan(self)
        self.receiver, self.port = receiver, portNumber
        if self.addresses is not None:
            self.answer(*self.addresses)
        return self

    def answer(self, *addresses: str) -> None:
        for address in addresses:
            self.receiver.addressResolved(IPv4Address("TCP", address, self.port))
        self.receiver.resolutionComplete()

    def cancel(self) -> None:
        self.given_up += 1


class Unstoppable(Slow):
    def cancel(self) -> None:
        raise NotImplementedError


def named(resolver: Slow, name: str = "up.test") -> tuple[Any, list[BaseException], Any]:
    """Connecting to ``name`` by ``resolver``: reactor, what went wrong so far, the Deferred."""
    reactor: Any = MemoryReactorClock()
    reactor.nameResolver = resolver
    directlyProvides(reactor, providedBy(reactor), IReactorPluggableNameResolver)
    errors: list[BaseException] = []
    connecting: Any = client_endpoint(reactor, name, 8080).connect(Factory())
    connecting.addErrback(lambda failure: errors.append(failure.value))
    return reactor, errors, connecting


@pytest.mark.parametrize("resolver", [Slow(), Unstoppable()], ids=["ours", "Twisted's own"])
def test_a_name_that_is_not_looked_up_in_time_is_given_up(resolver: Slow) -> None:
    reactor, errors, _connecting = named(resolver)
    reactor.advance(CONNECT_SECONDS - 0.1)
    assert errors == []
    reactor.advance(0.1)
    assert [type(one) for one in errors] == [error.DNSLookupError]
    assert "no answer for up.test within 10 seconds" in str(errors[0])
    assert resolver.given_up == (0 if isinstance(resolver, Unstoppable) else 1)
    resolver.answer("192.0.2.7")
    assert reactor.tcpClients == []
    assert reactor.getDelayedCalls() == []


def test_looking_up_and_connecting_share_the_time() -> None:
    resolver = Slow()
    reactor, errors, _connecting = named(resolver)
    reactor.advance(CONNECT_SECONDS - 1)
    resolver.answer("192.0.2.7")
    assert [client[:2] for client in reactor.tcpClients] == [("192.0.2.7", 8080)]
    reactor.advance(1)
    assert [type(one) for one in errors] == [error.TimeoutError]
    assert "no connection to up.test within 10 seconds" in str(errors[0])


def test_a_name_without_an_address_is_unknown() -> None:
    resolver = Slow()
    _reactor, errors, _connecting = named(resolver)
    resolver.answer()
    assert [type(one) for one in errors] == [error.DNSLookupError]
    assert "up.test" in str(errors[0])


@pytest.mark.parametrize("name", ["up.test", "my_app", "r3---sn.example.com", "faß.example"])
def test_any_name_is_looked_up_as_it_stands(name: str) -> None:
    """Containers are called ``my_app``, which is no name to IDNA."""
    resolver = Slow()
    reactor, errors, _connecting = named(resolver, name)
    assert (resolver.asked, errors) == ([name], [])
    resolver.answer("192.0.2.7")
    assert [client[:2] for client in reactor.tcpClients] == [("192.0.2.7", 8080)]


def test_who_gives_up_gives_up_the_look_up() -> None:
    resolver = Slow()
    reactor, errors, connecting = named(resolver)
    connecting.cancel()
    assert resolver.given_up == 1
    assert len(errors) == 1
    assert reactor.getDelayedCalls() == []


def test_another_address_is_tried_when_the_first_does_not_answer_soon() -> None:
    resolver = Slow()
    resolver.addresses = ("192.0.2.7", "192.0.2.8")
    reactor, errors, _connecting = named(resolver)
    assert [client[0] for client in reactor.tcpClients] == ["192.0.2.7"]
    reactor.advance(0.3)
    assert [client[0] for client in reactor.tcpClients] == ["192.0.2.7", "192.0.2.8"]
    reactor.tcpClients[1][2].buildProtocol(IPv4Address("TCP", "192.0.2.8", 8080))
    assert errors == []


def test_over_tls_too_it_is_said_that_the_name_took_too_long() -> None:
    reactor: Any = MemoryReactorClock()
    reactor.nameResolver = Slow()
    directlyProvides(reactor, providedBy(reactor), IReactorPluggableNameResolver)
    tls: Any = None
    errors: list[BaseException] = []
    connecting: Any = TLSEndpoint(reactor, client_endpoint(reactor, "up.test", 443), tls).connect(Factory())
    connecting.addErrback(lambda failure: errors.append(failure.value))
    reactor.advance(CONNECT_SECONDS)
    assert [type(one) for one in errors] == [error.DNSLookupError]
