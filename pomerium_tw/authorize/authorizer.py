"""check(request, route, identity) → Decision: one call for every single request."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ..model import Decision, Identity, Request, Route
from ..policy import CompiledPolicy, Evaluation
from ..telemetry import DecisionLog
from .ladder import NO_POLICY, decide

MAX_DECISIONS = 4096
"""Distinct decisions kept; policies have a few dozen outcomes between them."""


class Authorizer:
    """Decides by the compiled policy of the very route that the data path matched (spec/identity R20)."""

    def __init__(
        self, policies: Mapping[str, CompiledPolicy], decisions: DecisionLog, now: Callable[[], float]
    ) -> None:
        """``policies``: route id → policy."""
        self._policies = dict(policies)
        self._log = decisions
        self._now = now
        # The ladder is climbed once for each evaluation. They are shared objects, so the id is enough of a
        # key, and hashing their reasons at every request is saved; the entry keeps its evaluation, and so
        # its id, alive.
        self._decided: dict[int, tuple[Evaluation, Decision]] = {}

    def check(self, request: Request, route: Route, identity: Identity) -> Decision:
        """The decision, logged. Evaluating a policy raises nothing; a failed criterion has denied."""
        policy = self._policies.get(route.id)
        decision = NO_POLICY if policy is None else self._decide(policy.evaluate(request, identity))
        self._log.record(self._now(), request, route, identity, decision)
        return decision

    def _decide(self, evaluation: Evaluation) -> Decision:
        found = self._decided.get(id(evaluation))
        if found is not None:
            return found[1]
        decision = decide(evaluation)
        if len(self._decided) < MAX_DECISIONS:
            self._decided[id(evaluation)] = (evaluation, decision)
        return decision
