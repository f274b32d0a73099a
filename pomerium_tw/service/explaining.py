"""Which route a request would reach, and why its policy says what it says; nothing has to run for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from policy_grammar import Span

from ..authorize import Verdict, verdict
from ..config import Loaded
from ..model import Identity, Request, Route
from ..policy import Explainer, Explanation
from ..proxy import Cluster, RoutePlan, Router
from .build import DryBuild
from .routes import build_route
from .secrets import Secrets


@dataclass(frozen=True)
class Explained:
    """One request, explained."""

    route: Route
    span: Span
    """Where the route is written."""
    explanation: Explanation
    verdict: Verdict


class Explaining:
    """Explains requests to the routes of one configuration."""

    def __init__(self, loaded: Loaded, now: Callable[[], float]) -> None:
        """``now``: the moment, in seconds since the epoch, at which requests come. Raises ConfigError."""
        self._dry = DryBuild.of(loaded, Secrets.of(loaded.settings), now)
        settings = loaded.settings
        self._spans = {route.id: loaded.span(*path) for path, route in reversed(settings.all_routes)}
        routes = [build_route(settings, route, "") for _path, route in settings.all_routes]
        plans = [RoutePlan(each, Cluster(each.name, [])) for each in routes]
        self._router = Router(plans, any_port=settings.flag("match_any_incoming_port"))

    def explain(self, request: Request, identity: Identity, known: frozenset[str]) -> Explained | None:
        """None where no route takes the request. ``known``: see :class:`~pomerium_tw.policy.Explainer`."""
        plan = self._router.find(request)
        if plan is None:
            return None
        check = self._dry.policies.check
        policies = self._dry.policies.compiled[plan.route.id].policies
        explainer = Explainer(policies, check.criteria, check.environment, known)
        explanation = explainer.explain(request, identity)
        return Explained(plan.route, self._spans[plan.route.id], explanation, verdict(explanation))
