"""How many client connections there may be, in all and for one client (spec/threats DO-04)."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

log = Logger("pomerium.proxy")

MAX_CONNECTIONS = 50_000
"""Most client connections of a process, unless ``max_connections`` says otherwise (spec/proxy §3.6)."""
MAX_CONNECTIONS_PER_CLIENT = 1000
"""Most of them from one client, unless ``max_connections_per_client`` says otherwise."""
REPORT_SECONDS = 60.0
"""Refused connections are logged together, once in so long: a flood must not fill the log too."""
_CLIENT_BITS = 64  # what one customer of an IPv6 provider gets at least (RFC 6177)


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """Counts of open connections."""

    total: int = MAX_CONNECTIONS
    per_client: int = MAX_CONNECTIONS_PER_CLIENT
    """0 is off."""
    exempt: tuple[IPv4Network | IPv6Network, ...] = ()
    """Networks of proxies before us: one address there stands for many clients."""


def client_group(host: str) -> str | bytes:
    """What counts as one client: an IPv4 address, or the /64 of an IPv6 one, whose holder has all of it.

    ``host``: IP literal, IPv4-mapped and with a zone too; anything else stands for itself.
    """
    if ":" not in host:
        return host
    try:
        packed = socket.inet_pton(socket.AF_INET6, host.partition("%")[0])
    except OSError:
        return host
    if packed.startswith(b"\0" * 10 + b"\xff\xff"):
        return socket.inet_ntop(socket.AF_INET, packed[12:])
    return packed[: _CLIENT_BITS // 8]


class Admission:
    """Counts the connections of every listener that shares it, and says whether there is room for one more.

    Costs 1 µs a connection. Clients without a connection take no memory.
    """

    def __init__(self, clock: IReactorTime, limits: ConnectionLimits | None = None) -> None:
        self.limits = limits or ConnectionLimits()
        """A reload may set others: they hold for connections that come."""
        self.open = 0
        """Connections at present."""
        self._clock = clock
        self._of_client: dict[str | bytes, int] = {}
        self._beyond_total = 0
        self._beyond_client = 0
        self._not_accepted: dict[str, int] = {}
        self._last_refused = ""
        self._report_due: IDelayedCall | None = None

    def admits(self, host: str) -> bool:
        """Whether a connection from ``host`` may be taken; "" is a client without an address of its own."""
        limits = self.limits
        if self.open >= limits.total:
            self._beyond_total += 1
        elif (
            limits.per_client
            and host
            and self._of_client.get(client_group(host), 0) >= limits.per_client
            and not self._is_exempt(host)
        ):
            self._beyond_client += 1
        else:
            return True
        self._refused(host)
        return False

    def not_accepted(self, host: str, why: str) -> None:
        """A connection from ``host`` ended before anybody was asked; ``why``, for the log, is one of few."""
        self._not_accepted[why] = self._not_accepted.get(why, 0) + 1
        self._refused(host)

    def opened(self, host: str) -> None:
        self.open += 1
        group = client_group(host)
        self._of_client[group] = self._of_client.get(group, 0) + 1

    def lost(self, host: str) -> None:
        """``host``: as when it was :meth:`opened`."""
        self.open -= 1
        group = client_group(host)
        left = self._of_client[group] - 1
        if left:
            self._of_client[group] = left
        else:
            del self._of_client[group]

    def stop(self) -> None:
        """Report no further."""
        if self._report_due is not None and self._report_due.active():
            self._report_due.cancel()
        self._report_due = None

    def _is_exempt(self, host: str) -> bool:
        group = client_group(host)
        try:
            address = ip_address(group if isinstance(group, str) else host.partition("%")[0])
        except ValueError:
            return False
        return any(address in network for network in self.limits.exempt)

    def _refused(self, host: str) -> None:
        self._last_refused = host
        if self._report_due is None:
            self._report()

    def _report(self) -> None:
        self._report_due = None
        reasons = {
            f"{self.open} are open (max_connections)": self._beyond_total,
            "their client has as many as it may (max_connections_per_client)": self._beyond_client,
            **self._not_accepted,
        }
        told = [f"{count} because {reason}" for reason, count in reasons.items() if count]
        if not told:
            return
        log.warn(
            "connections were refused: {reasons}; the last from {address}",
            reasons=", ".join(told),
            total=self._beyond_total,
            client=self._beyond_client,
            not_accepted=self._not_accepted,
            address=self._last_refused or "unknown",
        )
        self._beyond_total = self._beyond_client = 0
        self._not_accepted = {}
        self._report_due = self._clock.callLater(REPORT_SECONDS, self._report)
