"""What decided: from the explanation of a policy to one sentence (spec/ppl §6)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ..model import Decision, Outcome
from ..policy import CRITERION_ERROR, UNAUTHENTICATED, Explanation, Node
from .ladder import CERTIFICATE_REASONS, DEVICE_UNAUTHENTICATED, decide

_OUTCOMES = {
    Outcome.ALLOW: "allowed",
    Outcome.LOGIN: "sent to sign in",
    Outcome.STEP_UP: "stopped for a device",
    Outcome.DENY: "denied",
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What happens to a request, and what made it so."""

    decision: Decision | None
    """None: it depends on what is not known of the request."""
    deciding: tuple[Node, ...]
    """The criteria that made it so, in the order of the policy; the sentence names the first."""
    sentence: str


def verdict(explanation: Explanation) -> Verdict:
    """The decision on an explained request and its reason in words."""
    possible = map(decide, explanation.possible)
    decisions = {(each.outcome, each.status, each.deny): each for each in possible}
    if len(decisions) != 1:
        return _unknown(explanation)
    (decision,) = decisions.values()
    deciding = tuple(_deciding(explanation, decision))
    return Verdict(decision, deciding, _sentence(explanation, decision, deciding))


def _unknown(explanation: Explanation) -> Verdict:
    asking = tuple(use for use in _uses(explanation) if use.missing)
    inputs = sorted({name for use in asking for name in use.missing})
    return Verdict(
        None, asking, f"unknown: {_at(asking[0])} depends on what was not given: {', '.join(inputs)}"
    )


def _deciding(explanation: Explanation, decision: Decision) -> Iterable[Node]:
    """The criteria behind the rung of the ladder that was taken."""
    failed = [use for use in _uses(explanation) if CRITERION_ERROR in use.reasons]
    if failed:
        return failed
    allow, deny = explanation.deciding("allow"), explanation.deciding("deny")
    if decision.deny_reasons & CERTIFICATE_REASONS:
        return [node for node in deny if node.reasons & CERTIFICATE_REASONS]
    for outcome, reason in ((Outcome.LOGIN, UNAUTHENTICATED), (Outcome.STEP_UP, DEVICE_UNAUTHENTICATED)):
        if decision.outcome is outcome:
            return [node for node in (*allow, *deny) if reason in node.reasons]
    return deny if decision.outcome is Outcome.DENY and decision.deny else allow


def _uses(explanation: Explanation) -> Iterator[Node]:
    """Every criterion, in order."""
    for rule in explanation.rules:
        for operator in rule.children:
            yield from operator.children


def _sentence(explanation: Explanation, decision: Decision, deciding: tuple[Node, ...]) -> str:
    what = _OUTCOMES[decision.outcome]
    if decision.outcome is Outcome.DENY:
        what += f" ({decision.status})"
    if not deciding:
        return f"{what}: no allow rule of the policy has a criterion"
    first, others = deciding[0], len(deciding) - 1
    also = f", and so for {others} more" if others else ""
    if CRITERION_ERROR in first.reasons:
        return f"{what}: {_at(first)} failed to answer: {first.failure}"
    if decision.outcome is Outcome.LOGIN:
        return f"{what}: {_at(first)} asks who is there, and nobody is signed in"
    if decision.outcome is Outcome.STEP_UP:
        return f"{what}: {_at(first)} asks for a device, and the session has none"
    value = str(first.value).lower()
    if decision.outcome is Outcome.DENY and not decision.deny:
        rules = (
            "no allow rule holds" if explanation.value("allow") is False else "the certificate is not good"
        )
        return f"{what}: {rules}; {_at(first)} is {value}{also}"
    side = "a deny" if decision.outcome is Outcome.DENY else "an allow"
    return f"{what}: {side} rule holds; {_at(first)} is {value}{also}"


def _at(node: Node) -> str:
    return f"{node.text} at {node.span}"
