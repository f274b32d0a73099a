from __future__ import annotations

from ipaddress import ip_network
from typing import Any

import pytest
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.endpoints import HostnameEndpoint, TCP4ClientEndpoint, TCP6ClientEndpoint
from twisted.internet.interfaces import IReactorPluggableNameResolver, IReactorTCP
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.testing import MemoryReactorClock
from zope.interface import directlyProvides, providedBy

from pomerium_tw.transport.guarded import ForbiddenAddressError, GuardedReactor

FORBIDDEN = (ip_network("127.0.0.0/8"), ip_network("::1/128"), ip_network("10.0.0.0/8"))


class Names:
    """A resolver that knows one answer, in the form of Twisted's."""

    def __init__(self, *addresses: str) -> None:
        self.addresses = addresses

    def resolveHostName(self, receiver: Any, _name: str, port: int = 0, *_more: Any, **_options: Any) -> Any:
        receiver.resolutionBegan(None)
        for address in self.addresses:
            kind = IPv6Address if ":" in address else IPv4Address
            receiver.addressResolved(kind("TCP", address, port))
        receiver.resolutionComplete()


def reactor_with(*addresses: str) -> Any:
    reactor: Any = MemoryReactorClock()
    reactor.nameResolver = Names(*addresses)
    directlyProvides(reactor, providedBy(reactor), IReactorPluggableNameResolver)
    return reactor


def dialled(reactor: Any, endpoint: Any) -> tuple[list[str], list[BaseException]]:
    """Addresses that were connected to, and what the endpoint failed with."""
    errors: list[BaseException] = []
    connecting = endpoint.connect(Factory.forProtocol(Protocol))
    connecting.addErrback(lambda failure: errors.append(failure.value))
    for _ in range(20):
        reactor.advance(0.1)
    return [client[0] for client in reactor.tcpClients], errors


@pytest.mark.parametrize(
    ("addresses", "reached"),
    [
        (["192.0.2.1"], ["192.0.2.1"]),
        (["127.0.0.1"], []),
        (["::1"], []),
        (["10.1.2.3", "192.0.2.1"], ["192.0.2.1"]),
        (["::ffff:10.1.2.3"], []),
        (["fe80::1%eth0"], ["fe80::1%eth0"]),
        (["0.0.0.0"], []),  # noqa: S104 - a name that leads here
        (["::"], []),
        (["::ffff:0.0.0.0"], []),
    ],
)
def test_a_name_leads_to_allowed_addresses_alone(addresses: list[str], reached: list[str]) -> None:
    reactor = reactor_with(*addresses)
    found, errors = dialled(reactor, HostnameEndpoint(GuardedReactor(reactor, FORBIDDEN), "up.test", 80))
    assert found == reached
    assert [type(error) for error in errors] == ([] if reached else [ForbiddenAddressError])


def test_an_address_is_checked_like_a_name() -> None:
    reactor = reactor_with()
    guarded = GuardedReactor(reactor, FORBIDDEN)
    found, errors = dialled(reactor, TCP4ClientEndpoint(guarded, "127.0.0.1", 80))
    assert found == []
    assert str(errors[0]).endswith(": 127.0.0.1 is forbidden, being in 127.0.0.0/8.")
    assert dialled(reactor, TCP6ClientEndpoint(guarded, "2001:db8::1", 80)) == (["2001:db8::1"], [])


def test_what_is_no_address_is_not_connected_to() -> None:
    reactor = reactor_with()
    found, errors = dialled(reactor, TCP4ClientEndpoint(GuardedReactor(reactor, ()), "localhost", 80))
    assert found == []
    assert isinstance(errors[0], ForbiddenAddressError)


def test_it_is_the_reactor_otherwise() -> None:
    reactor = reactor_with()
    guarded = GuardedReactor(reactor, FORBIDDEN)
    assert IReactorTCP.providedBy(guarded)
    assert IReactorPluggableNameResolver.providedBy(guarded)
    assert guarded.seconds() == reactor.seconds()
