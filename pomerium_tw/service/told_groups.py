"""Which groups our pages may tell at a host: they share the origin of the applications there."""

from __future__ import annotations

from collections.abc import Iterable

from ..model import Request, Route
from ..proxy import RoutePlan, Router

_Filters = dict[tuple[str, int | None], frozenset[str]]
"""Host and port of ``from`` → what the filters of all routes there let through."""


class ToldGroups:
    """The ``jwt_groups_filter`` of a whole host: what any of its routes' filters lets through.

    A route without a filter opens nothing: at a host where another one withholds groups, our pages tell less
    than that route's upstream learns.
    """

    def __init__(self, routes: Iterable[Route], otherwise: Iterable[str], *, any_port: bool) -> None:
        """``otherwise``: the filter at hosts of no route. ``any_port``: as of the :class:`Router`."""
        exact: _Filters = {}
        wild: _Filters = {}
        for route in routes:
            filters = wild if "*" in route.host else exact
            place = (route.host, route.port)
            filters[place] = filters.get(place, frozenset()) | route.jwt_groups_filter
        self._any_port = any_port
        self._otherwise = frozenset(otherwise)
        self._exact = exact
        # Of several wildcards that match a host the first counts, so those that withhold something go first.
        self._wild = Router([_plan(*item) for item in sorted(wild.items(), key=_open)], any_port=any_port)

    def at(self, request: Request) -> frozenset[str]:
        """Ids of the directory's groups that may be told where ``request`` came in; empty for all."""
        # The same routes as the router's: exact hosts first and alone, with their own port before without.
        host, port = request.head.host, request.head.port
        told = self._exact.get((host, port))
        if told is None and port is not None and (self._any_port or port == 443):
            told = self._exact.get((host, None))
        if told is not None:
            return told
        plan = self._wild.find(request)
        return self._otherwise if plan is None else plan.route.jwt_groups_filter


def _open(item: tuple[tuple[str, int | None], frozenset[str]]) -> bool:
    return not item[1]


def _plan(place: tuple[str, int | None], told: frozenset[str]) -> RoutePlan:
    host, port = place
    return RoutePlan(Route(id="", name="", host=host, port=port, jwt_groups_filter=told), None)
