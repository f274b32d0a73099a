"""Where sessions may be sent: hosts and ports that are ours, whatever a Host header says."""

from __future__ import annotations

import re
from collections.abc import Iterable

from .redirect_uri import RedirectError, host_of, redirect_authority

HostAndPort = tuple[str, int | None]


class Destinations:
    """The authorities of all routes.

    A route without a port may be asked for at any (spec/proxy §2.4), but a session only goes where we are
    known to listen: somebody else's service may stand at another port of the same host.
    """

    def __init__(self, routes: Iterable[HostAndPort], own_ports: Iterable[int]) -> None:
        """``routes``: host (may hold ``*``) and port of each route's ``from``.

        ``own_ports``: where browsers reach us besides 443.
        """
        ports = frozenset((443, *own_ports))
        self._exact: set[HostAndPort] = set()
        self._wildcards: list[tuple[re.Pattern[str], frozenset[int]]] = []
        for host, port in routes:
            allowed = ports if port is None else frozenset((port,))
            if "*" in host:
                pattern = ".*".join(re.escape(part) for part in host.split("*"))
                self._wildcards.append((re.compile(pattern), allowed))
            else:
                self._exact.update((host, each) for each in allowed)

    def __contains__(self, authority: str) -> bool:
        host = host_of(authority)
        port = int(authority[len(host) + 1 :]) if len(authority) > len(host) else 443
        if (host, port) in self._exact:
            return True
        return any(port in ports and pattern.fullmatch(host) for pattern, ports in self._wildcards)

    def authority(self, uri: str) -> str:
        """``host[:port]`` of an address that a session may be sent to. Raises RedirectError."""
        authority = redirect_authority(uri)
        if authority not in self:
            raise RedirectError(f"no route is at {authority}: nobody is sent there")
        return authority
