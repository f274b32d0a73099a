from __future__ import annotations

import pytest

from pomerium_tw.policy import Evaluation, evaluation
from pomerium_tw.policy.evaluation import Outcomes

REASONS = (("allow", "accept"), ("deny", "reject"), ("allow", "other"))


def test_an_outcome_is_decoded_and_then_shared() -> None:
    outcomes = Outcomes(REASONS)
    found = outcomes[0b101_01]
    assert found == Evaluation(True, frozenset({"accept", "other"}), False, frozenset())
    assert outcomes[0b101_01] is found
    assert outcomes[0b010_10] == Evaluation(False, frozenset(), True, frozenset({"reject"}))


def test_no_more_outcomes_are_kept_than_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluation, "MAX_EVALUATIONS", 2)
    outcomes = Outcomes(REASONS)
    for outcome in range(8):
        assert outcomes[outcome].allow is bool(outcome & 1)
    assert len(outcomes) == 2
