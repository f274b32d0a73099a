"""``policy explain`` names the right lines on every case of the suite that is not let in.

Every criterion stands on a line of its own here. It is to blame if, with an answer of the same value for
another reason, the decision would have another reason: that is tried out by changing the policy, and owes
nothing to how the explanation finds it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from policy_grammar import Criterion, Operator, Policy, Rule, parse_text, to_text
from pomerium_tw.authorize import decide, verdict
from pomerium_tw.cli.policy.cases.identity import caller
from pomerium_tw.cli.policy.cases.policies import world
from pomerium_tw.cli.policy.cases.request import request_of
from pomerium_tw.model import Decision, Outcome
from pomerium_tw.policy import BUILT_IN, Evaluation, Explainer, ICriterion, compile_policy
from pomerium_tw.policy.criteria.kinds import Fixed

CERTIFICATE = {"client-certificate-required", "invalid-client-certificate"}
CASES = [
    case
    for case in map(json.loads, (Path(__file__).parent / "ppl-cases.jsonl").read_text("utf-8").splitlines())
    if case["kind"] == "policy" and not case["expect"].get("parse_error")
]


class Case:
    """A case whose policy is written out, a criterion a line."""

    def __init__(self, case: Mapping[str, Any]) -> None:
        policy, self._environment = world(case)
        (self.policy,) = parse_text(to_text(Policy("case", policy.rules)), "case.ppl")
        self._request, self._who = request_of(case["input"]), caller(case["input"])

    def evaluated(self, policy: Policy, criteria: Mapping[str, ICriterion] = BUILT_IN) -> Evaluation:
        return compile_policy([policy], criteria, self._environment).evaluate(self._request, self._who)

    def explained(self) -> Any:
        explainer = Explainer([self.policy], environment=self._environment)
        return verdict(explainer.explain(self._request, self._who))

    def to_blame(self) -> Iterator[tuple[int, str, frozenset[str]]]:
        """Line, side and reasons of each criterion that the decision has a reason from."""
        decided = self.evaluated(self.policy)
        for action, criterion, exchanged in variants(self.policy):
            alone = self.evaluated(Policy("", (Rule("allow", (Operator("or", (criterion,)),)),)))
            other = {**BUILT_IN, "other": Fixed("other", alone.allow, "another reason")}
            found = self.evaluated(exchanged, other)
            if "another reason" in (found.allow_reasons if action == "allow" else found.deny_reasons):
                yield criterion.span.line, action, alone.allow_reasons
            else:
                assert (found.allow, found.deny) == (decided.allow, decided.deny)


def variants(policy: Policy) -> Iterator[tuple[str, Criterion, Policy]]:
    """The policy with one criterion exchanged for ``other``, for each of them."""
    for r, rule in enumerate(policy.rules):
        for o, operator in enumerate(rule.operators):
            for c, criterion in enumerate(operator.criteria):
                criteria = (*operator.criteria[:c], Criterion("other"), *operator.criteria[c + 1 :])
                operators = (
                    *rule.operators[:o],
                    replace(operator, criteria=criteria),
                    *rule.operators[o + 1 :],
                )
                rules = (*policy.rules[:r], replace(rule, operators=operators), *policy.rules[r + 1 :])
                yield rule.action, criterion, replace(policy, rules=rules)


def expected_lines(case: Case, decision: Decision) -> set[int]:
    blamed = list(case.to_blame())
    if decision.status == 495:
        return {line for line, action, reasons in blamed if action == "deny" and reasons & CERTIFICATE}
    if decision.outcome is Outcome.LOGIN:
        return {line for line, _action, reasons in blamed if "user-unauthenticated" in reasons}
    if decision.outcome is Outcome.STEP_UP:
        return {line for line, _action, reasons in blamed if "device-unauthenticated" in reasons}
    side = "deny" if decision.outcome is Outcome.DENY and decision.deny else "allow"
    return {line for line, action, _reasons in blamed if action == side}


@pytest.mark.parametrize("given", [pytest.param(case, id=case["id"]) for case in CASES])
def test_the_lines_that_decided_are_named(given: Mapping[str, Any]) -> None:
    case = Case(given)
    decision = decide(case.evaluated(case.policy))
    found = case.explained()
    assert found.decision == decision
    expected = expected_lines(case, decision)
    assert {node.span.line for node in found.deciding} == expected
    if expected:
        assert f" at case.ppl:{found.deciding[0].span.line}:" in found.sentence
    else:
        assert found.sentence == "denied (403): no allow rule of the policy has a criterion"


def test_most_cases_are_not_let_in() -> None:
    decisions = [decide(each.evaluated(each.policy)) for each in map(Case, CASES)]
    assert sum(decision.outcome is not Outcome.ALLOW for decision in decisions) > 100
