"""From what a policy evaluated to, to what happens (spec/ppl §6)."""

from __future__ import annotations

from ..model import Decision, Outcome
from ..policy import CRITERION_ERROR, UNAUTHENTICATED, Evaluation

DEVICE_UNAUTHENTICATED = "device-unauthenticated"
DEVICE_UNAUTHORIZED = "device-unauthorized"
ROUTE_NOT_FOUND = "route-not-found"
CERTIFICATE_REASONS = frozenset(("client-certificate-required", "invalid-client-certificate"))
CERTIFICATE_TEXT = "a valid client certificate is required to access this page"

ANY_DEVICE = "any"
"""The type of device where the policy names none (spec/ppl §4.6)."""

_DENIALS = (
    (frozenset((DEVICE_UNAUTHORIZED,)), 450, "device not authorized"),
    (frozenset((ROUTE_NOT_FOUND,)), 404, "route not found"),
    (CERTIFICATE_REASONS, 495, CERTIFICATE_TEXT),
)
"""Reasons → status and text; the first that meets the reasons of a denial. 403 for all others."""


def decide(evaluation: Evaluation) -> Decision:
    """The first rung that fits. Reasons count there whatever the values of allow and deny are."""
    allow, deny = evaluation.allow_reasons, evaluation.deny_reasons
    if deny & CERTIFICATE_REASONS:
        return _decision(evaluation, Outcome.DENY, 495, CERTIFICATE_TEXT)
    if CRITERION_ERROR in allow or CRITERION_ERROR in deny:
        # Nobody knows what the policy means for this caller: signing in would not change that.
        return _decision(evaluation, Outcome.DENY, 403, "Forbidden")
    if UNAUTHENTICATED in allow or UNAUTHENTICATED in deny:
        return _decision(evaluation, Outcome.LOGIN, 401, "Unauthenticated")
    if DEVICE_UNAUTHENTICATED in allow or DEVICE_UNAUTHENTICATED in deny:
        return _decision(evaluation, Outcome.STEP_UP, 401, "Unauthenticated", _device_type(evaluation))
    if evaluation.deny is not False:
        return _denied(evaluation, deny)
    if evaluation.allow is True:
        return _decision(evaluation, Outcome.ALLOW, 200, "")
    return _denied(evaluation, allow)


def _denied(evaluation: Evaluation, reasons: frozenset[str]) -> Decision:
    for meant, status, text in _DENIALS:
        if reasons & meant:
            return _decision(evaluation, Outcome.DENY, status, text)
    return _decision(evaluation, Outcome.DENY, 403, "Forbidden")


def _device_type(evaluation: Evaluation) -> str:
    for data in (evaluation.allow_data, evaluation.deny_data):
        if wanted := data.get("device_type"):
            return wanted
    return ANY_DEVICE


def _decision(
    evaluation: Evaluation, outcome: Outcome, status: int, reason: str, device_type: str = ""
) -> Decision:
    return Decision(
        outcome,
        status,
        evaluation.allow,
        evaluation.allow_reasons,
        evaluation.deny,
        evaluation.deny_reasons,
        reason,
        device_type,
    )


NO_POLICY = decide(Evaluation(False, frozenset(), True, frozenset((ROUTE_NOT_FOUND,))))
"""A request whose route has no policy here: nothing is let through unless a policy says so."""
