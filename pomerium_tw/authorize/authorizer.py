"""check(request, route, identity) → Decision: one call for every single request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..model import ANONYMOUS, Decision, Identity, Request, Route
from ..policy import CompiledPolicy, Evaluation
from ..telemetry import DecisionLog
from .ladder import NO_POLICY, decide

MAX_DECISIONS = 4096
"""Distinct decisions kept; policies have a few dozen outcomes between them."""


class Authorizer:
    """Decides by the compiled policy of the very route that the data path matched (spec/identity R20)."""

    def __init__(self, policies: Mapping[str, CompiledPolicy], decisions: DecisionLog) -> None:
        """``policies``: route id → policy."""
        self._evaluate = {route_id: policy.evaluate for route_id, policy in policies.items()}
        self._log = decisions
        # The ladder is climbed once for each evaluation. They are shared objects, so the id is enough of a
        # key, and hashing their reasons at every request is saved; the entry keeps its evaluation, and so
        # its id, alive.
        self._decided: dict[int, tuple[Evaluation, Decision]] = {}
        self._of_nobody: dict[Any, Any] = {}
        """What the log remembers of anonymous callers, who share one identity: as much as routes make."""

    def check(self, request: Request, route: Route, identity: Identity, now: float) -> Decision:
        """The decision, logged. Evaluating a policy raises nothing; a failed criterion has denied.

        ``now``: seconds since the epoch, for the log.
        """
        decision = self.decide(request, route, identity)
        memo = self._of_nobody if identity is ANONYMOUS else identity.memo
        self._log.record(now, request, route, identity, decision, memo=memo)
        return decision

    def decide(self, request: Request, route: Route, identity: Identity) -> Decision:
        """The same, not logged: for what was let through before and is only looked at again."""
        evaluate = self._evaluate.get(route.id)
        if evaluate is None:
            return NO_POLICY
        evaluation = evaluate(request, identity)
        found = self._decided.get(id(evaluation))
        return self._climb(evaluation) if found is None else found[1]

    def _climb(self, evaluation: Evaluation) -> Decision:
        decision = decide(evaluation)
        if len(self._decided) < MAX_DECISIONS:
            self._decided[id(evaluation)] = (evaluation, decision)
        return decision
