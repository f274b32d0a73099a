"""Which route a request belongs to (spec/proxy §2.4). The cost does not grow with the number of hosts."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ..model import Head, Request
from .plan import RoutePlan


class Router:
    """Exact hosts first and alone; wildcards only for hosts that no route names; file order within a host."""

    def __init__(self, plans: Sequence[RoutePlan], *, any_port: bool = True) -> None:
        exact: dict[str, list[RoutePlan]] = {}
        self._any_port = any_port
        self._wildcards: list[tuple[re.Pattern[str], RoutePlan]] = []
        for plan in plans:
            route = plan.route
            if "*" in route.host:
                self._wildcards.append((_wildcard(route.host, route.port, any_port=any_port), plan))
                continue
            # A host without a port stands for the host with any port.
            authority = route.host if route.port is None else f"{route.host}:{route.port}"
            exact.setdefault(authority, []).append(plan)
        self._exact = {authority: tuple(found) for authority, found in exact.items()}

    def find(self, request: Request) -> RoutePlan | None:
        """The first route whose host and path match; None means 404."""
        head = request.head
        path = request.target.path
        plans = self._exact.get(head.authority)
        if plans is None and head.port is not None and (self._any_port or head.port == 443):
            plans = self._exact.get(head.host)
        if plans is not None:
            for plan in plans:
                if plan.matches(path):
                    return plan
            return None
        if self._wildcards:
            authority = head.authority
            for pattern, plan in self._wildcards:
                if pattern.fullmatch(authority) and plan.matches(path):
                    return plan
        return None

    def knows(self, head: Head) -> bool:
        """Whether any route is at this host, whatever its path."""
        if head.authority in self._exact:
            return True
        if head.host in self._exact and (self._any_port or head.port in (None, 443)):
            return True
        return any(pattern.fullmatch(head.authority) for pattern, _ in self._wildcards)


def _wildcard(host: str, port: int | None, *, any_port: bool) -> re.Pattern[str]:
    pattern = ".*".join(re.escape(part) for part in host.split("*"))
    if port is not None:
        return re.compile(f"{pattern}:{port}")
    return re.compile(f"{pattern}(?::[0-9]+)?" if any_port else f"{pattern}(?::443)?")
