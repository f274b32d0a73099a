"""From what a policy evaluated to, to what happens (spec/ppl §6)."""

from __future__ import annotations

from ..model import Decision, Outcome
from ..policy import UNAUTHENTICATED, Evaluation

CERTIFICATE_REASONS = frozenset(("client-certificate-required", "invalid-client-certificate"))
CERTIFICATE_TEXT = "a valid client certificate is required to access this page"


def decide(evaluation: Evaluation) -> Decision:
    """The first rung that fits. Reasons count there whatever the values of allow and deny are."""
    if evaluation.deny_reasons & CERTIFICATE_REASONS:
        return _decision(evaluation, Outcome.DENY, 495, CERTIFICATE_TEXT)
    if UNAUTHENTICATED in evaluation.allow_reasons or UNAUTHENTICATED in evaluation.deny_reasons:
        return _decision(evaluation, Outcome.LOGIN, 401, "Unauthenticated")
    if evaluation.deny or evaluation.allow is not True:
        return _decision(evaluation, Outcome.DENY, 403, "Forbidden")
    return _decision(evaluation, Outcome.ALLOW, 200, "")


def _decision(evaluation: Evaluation, outcome: Outcome, status: int, reason: str) -> Decision:
    return Decision(
        outcome,
        status,
        evaluation.allow,
        evaluation.allow_reasons,
        evaluation.deny,
        evaluation.deny_reasons,
        reason,
    )


NO_POLICY = Decision(
    Outcome.DENY, 404, False, frozenset(), True, frozenset(("route-not-found",)), "route not found"
)
"""A request whose route has no policy here: nothing is let through unless a policy says so."""
