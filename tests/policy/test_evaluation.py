from __future__ import annotations

import pytest

from pomerium_tw.policy import Evaluation, evaluation
from pomerium_tw.policy.evaluation import Outcomes

SAID = (("allow", "accept"), ("deny", "reject"), ("allow", "other"))


def test_an_outcome_is_decoded_and_then_shared() -> None:
    known: dict[int, Evaluation] = {}
    outcomes = Outcomes(SAID, known)
    found = outcomes(0b101_01)
    assert found == Evaluation(True, frozenset({"accept", "other"}), False, frozenset())
    assert known[0b101_01] is found
    assert outcomes(0b010_10) == Evaluation(False, frozenset(), True, frozenset({"reject"}))


def test_of_several_values_of_one_name_the_greatest_counts() -> None:
    said = (
        ("allow", ("device_type", "enclave_only")),
        ("allow", "device-ok"),
        ("allow", ("device_type", "any")),
    )
    found = Outcomes(said, {})(0b111_01)
    assert found.allow_reasons == {"device-ok"}
    assert dict(found.allow_data) == {"device_type": "enclave_only"}
    assert not found.deny_data


def test_no_more_outcomes_are_kept_than_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluation, "MAX_EVALUATIONS", 2)
    known: dict[int, Evaluation] = {}
    outcomes = Outcomes(SAID, known)
    for outcome in range(8):
        assert outcomes(outcome).allow is bool(outcome & 1)
    assert len(known) == 2
