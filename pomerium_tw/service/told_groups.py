"""Which groups our pages may tell at a host: they share the origin of the applications there."""

from __future__ import annotations

from collections.abc import Iterable

from ..model import Request, Route
from ..proxy import RoutePlan, Router

_Place = tuple[str, int | None]
"""Host and port of ``from``."""


class ToldGroups:
    """The ``jwt_groups_filter`` of a whole host: what any of its routes' filters lets through.

    A route without a filter opens nothing: at a host where another one withholds groups, our pages tell less
    than that route's upstream learns.
    """

    def __init__(self, routes: Iterable[Route], otherwise: Iterable[str], *, any_port: bool) -> None:
        """``otherwise``: the filter at hosts of no route. ``any_port``: as of the :class:`Router`."""
        filters: dict[_Place, frozenset[str]] = {}
        for route in routes:
            place = (route.host, route.port)
            filters[place] = filters.get(place, frozenset()) | route.jwt_groups_filter
        self._otherwise = frozenset(otherwise)
        # Of several wildcards that match a host the first counts, so those that withhold something go first.
        plans = [_plan(*item) for item in sorted(filters.items(), key=_open)]
        self._router = Router(plans, any_port=any_port)

    def at(self, request: Request) -> frozenset[str]:
        """Ids of the directory's groups that may be told where ``request`` came in; empty for all."""
        plan = self._router.find(request)
        return self._otherwise if plan is None else plan.route.jwt_groups_filter


def _open(item: tuple[_Place, frozenset[str]]) -> bool:
    return not item[1]


def _plan(place: _Place, told: frozenset[str]) -> RoutePlan:
    """Every path of a host."""
    host, port = place
    return RoutePlan(Route(id="", name="", host=host, port=port, jwt_groups_filter=told), None)
