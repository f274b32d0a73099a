"""Which route a request belongs to (spec/proxy §2.4). The cost does not grow with the number of routes."""

from __future__ import annotations

from collections.abc import Sequence

from ..model import Head, Request
from .path_table import PathTable
from .plan import RoutePlan
from .target import without_parameters
from .wildcards import WildcardHosts


class Router:
    """Exact hosts first and alone; wildcards only for hosts that no route names; file order within a host."""

    def __init__(self, plans: Sequence[RoutePlan], *, any_port: bool = True) -> None:
        """``any_port``: a host without a port stands for the host with every port, not just with 443."""
        exact: dict[str, list[tuple[int, RoutePlan]]] = {}
        wild: list[tuple[int, RoutePlan]] = []
        for ranked in enumerate(plans):
            route = ranked[1].route
            if "*" in route.host:
                wild.append(ranked)
                continue
            authority = route.host if route.port is None else f"{route.host}:{route.port}"
            exact.setdefault(authority, []).append(ranked)
        self._any_port = any_port
        self._exact = {authority: PathTable(found) for authority, found in exact.items()}
        self._wild = WildcardHosts(wild, any_port=any_port) if wild else None

    def find(self, request: Request) -> RoutePlan | None:
        """The first route whose host and path match; None means 404.

        None too where there is another without the path's parameters: one of the two would be wrong.
        """
        head = request.head
        table = self._exact.get(head.authority)
        if table is None and head.port is not None and (self._any_port or head.port == 443):
            table = self._exact.get(head.host)
        path = request.target.path
        if table is not None:
            plan = table.find(path)
        elif self._wild is not None:
            plan = self._wild.find(head, path)
        else:
            return None
        if ";" in path and plan is not None and not self._same_without_parameters(request, plan):
            return None
        return plan

    def _same_without_parameters(self, request: Request, plan: RoutePlan) -> bool:
        """Whether it is no other route for upstreams that cut ``;x=1`` off segments (spec/threats PN-07)."""
        cut = without_parameters(request.target)
        return cut is None or self.find(request._replace(target=cut)) is plan

    def knows(self, head: Head) -> bool:
        """Whether any route is at this host, whatever its path."""
        if head.authority in self._exact:
            return True
        if head.host in self._exact and (self._any_port or head.port in (None, 443)):
            return True
        return self._wild is not None and self._wild.knows(head)
