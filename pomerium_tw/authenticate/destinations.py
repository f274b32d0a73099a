"""Where sessions may be sent: hosts and ports that are ours, whatever a Host header says."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from ..model import in_one_domain
from .redirect_uri import RedirectError, host_of, redirect_authority

HostAndPort = tuple[str, int | None]

NO_ROUTE = "no route is at that host and port"
ANYBODYS = "its route is for hosts of any owner"
"""A star stands for the domain itself: whoever registers one could have sessions sent to it."""


def _nowhere(_host: str) -> bool:
    return False


class Destinations:
    """The authorities of all routes.

    A route without a port may be asked for at any (spec/proxy §2.4), but a session only goes where we are
    known to listen: somebody else's service may stand at another port of the same host.
    """

    def __init__(
        self,
        routes: Iterable[HostAndPort],
        own_ports: Iterable[int],
        covers: Callable[[str], bool] = _nowhere,
    ) -> None:
        """``routes``: host (may hold ``*``) and port of each route's ``from``.

        ``own_ports``: where browsers reach us besides 443. ``covers``: hosts that share the cookie of
        ``cookie_domain``: nothing is sent to them but the browser.
        """
        ports = frozenset((443, *own_ports))
        self._covers = covers
        self._exact: set[HostAndPort] = set()
        self._wildcards: list[tuple[re.Pattern[str], frozenset[int], bool]] = []
        for host, port in routes:
            allowed = ports if port is None else frozenset((port,))
            if "*" in host:
                pattern = ".*".join(re.escape(part) for part in host.split("*"))
                self._wildcards.append((re.compile(pattern), allowed, in_one_domain(host)))
            else:
                self._exact.update((host, each) for each in allowed)

    def __contains__(self, authority: str) -> bool:
        return not self.refusal(authority)

    def refusal(self, authority: str) -> str:
        """Why no session may be sent to a route's host, as a part of a sentence; "" where one may."""
        host = host_of(authority)
        port = int(authority[len(host) + 1 :]) if len(authority) > len(host) else 443
        if (host, port) in self._exact:
            return ""
        refusal = NO_ROUTE
        for pattern, ports, ours in self._wildcards:
            if port in ports and pattern.fullmatch(host):
                if ours or self._covers(host):
                    return ""
                refusal = ANYBODYS
        return refusal

    def authority(self, uri: str) -> str:
        """``host[:port]`` of an address that a session may be sent to. Raises RedirectError."""
        authority = redirect_authority(uri)
        if refusal := self.refusal(authority):
            raise RedirectError(f"nobody is sent to {authority}: {refusal}")
        return authority
