"""Connecting nowhere that is forbidden, whatever a name resolves to (spec/threats SS-05)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any

from twisted.internet.error import ConnectError
from zope.interface import directlyProvides, providedBy

_THIS_MACHINE: Mapping[int, IPv4Address | IPv6Address] = {4: IPv4Address("127.0.0.1"), 6: IPv6Address("::1")}


class ForbiddenAddressError(ConnectError):
    """The address is one that must not be connected to."""


class GuardedReactor:
    """Stands in for a reactor where endpoints are made: an address in ``forbidden`` is not connected to.

    The check comes after the resolver, attempt by attempt: another address of the same name may still do, and
    a name that changes its mind between two look-ups gains nothing.
    """

    def __init__(self, reactor: Any, forbidden: Iterable[IPv4Network | IPv6Network]) -> None:
        self._reactor = reactor
        self._forbidden = tuple(forbidden)
        directlyProvides(self, providedBy(reactor))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reactor, name)

    def connectTCP(
        self, host: str, port: int, factory: Any, timeout: float = 30.0, bindAddress: Any = None
    ) -> Any:
        """As the reactor's; raises ForbiddenAddressError, which endpoints fail with."""
        self._check(host)
        return self._reactor.connectTCP(host, port, factory, timeout, bindAddress)

    def _check(self, host: str) -> None:
        try:
            address = ip_address(host.partition("%")[0])
        except ValueError:
            # A name that nobody resolved yet: what it leads to cannot be known here.
            raise ForbiddenAddressError(string=f"{host} is not an address") from None
        if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        # 0.0.0.0 and :: lead to this machine, which is forbidden by its other name.
        if address.is_unspecified:
            address = _THIS_MACHINE[address.version]
        for network in self._forbidden:
            if address in network:
                raise ForbiddenAddressError(string=f"{host} is forbidden, being in {network}")
