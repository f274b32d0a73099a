"""From evaluations to outcomes: the ladder of spec/ppl §6."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pomerium_tw.authorize import decide
from pomerium_tw.model import Outcome
from pomerium_tw.policy import Evaluation

CERTIFICATE_TEXT = "a valid client certificate is required to access this page"
UNAUTHENTICATED = {"user-unauthenticated"}
NO_DEVICE = {"device-unauthenticated"}


def evaluation(
    allow: bool = False, why: set[str] | None = None, deny: bool = False, why_not: set[str] | None = None
) -> Evaluation:
    return Evaluation(allow, frozenset(why or ()), deny, frozenset(why_not or ()))


@pytest.mark.parametrize(
    ("evaluated", "outcome", "status"),
    [
        pytest.param(evaluation(), Outcome.DENY, 403, id="no policy: denied, not asked to sign in"),
        pytest.param(evaluation(True, {"accept"}), Outcome.ALLOW, 200, id="allowed"),
        pytest.param(evaluation(False, {"email-unauthorized"}), Outcome.DENY, 403, id="not allowed"),
        pytest.param(
            evaluation(True, {"accept"}, True, {"email-ok"}), Outcome.DENY, 403, id="deny beats allow"
        ),
        pytest.param(evaluation(False, UNAUTHENTICATED), Outcome.LOGIN, 401, id="sign in first"),
        pytest.param(evaluation(True, UNAUTHENTICATED), Outcome.LOGIN, 401, id="reason counts when allowed"),
        pytest.param(
            evaluation(True, {"accept"}, False, UNAUTHENTICATED),
            Outcome.LOGIN,
            401,
            id="a deny rule that needs to know who it is",
        ),
        pytest.param(
            evaluation(False, UNAUTHENTICATED, True, {"source-ip-ok"}),
            Outcome.LOGIN,
            401,
            id="login before deny",
        ),
        pytest.param(
            evaluation(False, UNAUTHENTICATED, True, {"client-certificate-required"}),
            Outcome.DENY,
            495,
            id="certificate before login",
        ),
        pytest.param(
            evaluation(True, {"accept"}, False, {"invalid-client-certificate"}),
            Outcome.DENY,
            495,
            id="certificate reason counts when deny is false",
        ),
        pytest.param(
            evaluation(True, {"invalid-client-certificate"}), Outcome.ALLOW, 200, id="not among allow reasons"
        ),
        pytest.param(
            evaluation(False, {"client-certificate-required"}),
            Outcome.DENY,
            495,
            id="what is not allowed for want of a certificate",
        ),
        pytest.param(evaluation(False, NO_DEVICE), Outcome.STEP_UP, 401, id="register the device"),
        pytest.param(
            evaluation(True, {"accept"}, False, NO_DEVICE),
            Outcome.STEP_UP,
            401,
            id="a deny rule that needs to know the device",
        ),
        pytest.param(
            evaluation(False, NO_DEVICE, True, {"source-ip-ok"}),
            Outcome.STEP_UP,
            401,
            id="device before deny",
        ),
        pytest.param(
            evaluation(False, NO_DEVICE | UNAUTHENTICATED), Outcome.LOGIN, 401, id="login before device"
        ),
        pytest.param(
            evaluation(False, {"device-unauthorized"}), Outcome.DENY, 450, id="a device that is not allowed"
        ),
        pytest.param(
            evaluation(True, {"accept"}, True, {"device-unauthorized"}),
            Outcome.DENY,
            450,
            id="a denied device",
        ),
        pytest.param(
            evaluation(True, {"device-unauthorized"}, True, {"email-ok"}),
            Outcome.DENY,
            403,
            id="a denial is told by its own reasons",
        ),
        pytest.param(
            evaluation(False, NO_DEVICE | {"device-unauthorized"}),
            Outcome.STEP_UP,
            401,
            id="registering goes before 450",
        ),
        pytest.param(
            evaluation(False, deny=True, why_not={"route-not-found"}), Outcome.DENY, 404, id="no such route"
        ),
    ],
)
def test_the_first_rung_that_fits_decides(evaluated: Evaluation, outcome: Outcome, status: int) -> None:
    decision = decide(evaluated)
    assert (decision.outcome, decision.status) == (outcome, status)
    assert (decision.allow, decision.allow_reasons) == (evaluated.allow, evaluated.allow_reasons)
    assert (decision.deny, decision.deny_reasons) == (evaluated.deny, evaluated.deny_reasons)


FAILED = {"criterion-error"}


@pytest.mark.parametrize("also", [UNAUTHENTICATED, NO_DEVICE, {"accept"}, set()])
@pytest.mark.parametrize("allow", [False, True])
@pytest.mark.parametrize("on_deny_side", [False, True])
def test_a_criterion_that_failed_denies_whatever_else_was_said(
    also: set[str], allow: bool, on_deny_side: bool
) -> None:
    why, why_not = (also, FAILED) if on_deny_side else (also | FAILED, set())
    decision = decide(evaluation(allow, why, on_deny_side, why_not))
    assert (decision.outcome, decision.status) == (Outcome.DENY, 403)


def test_a_step_up_names_the_type_of_device() -> None:
    def asked_for(allow: dict[str, str], deny: dict[str, str]) -> str:
        return decide(Evaluation(False, frozenset(NO_DEVICE), False, frozenset(), allow, deny)).device_type

    assert asked_for({"device_type": "enclave_only"}, {"device_type": "other"}) == "enclave_only"
    assert asked_for({}, {"device_type": "other"}) == "other"
    assert asked_for({}, {}) == "any"
    assert decide(evaluation(True)).device_type == ""


def test_denials_have_a_text_and_a_pass_has_none() -> None:
    assert decide(evaluation(True)).reason == ""
    assert decide(evaluation()).reason == "Forbidden"
    assert decide(evaluation(False, UNAUTHENTICATED)).reason == "Unauthenticated"
    assert decide(evaluation(why_not={"client-certificate-required"})).reason == CERTIFICATE_TEXT
    assert decide(evaluation(why={"device-unauthorized"})).reason == "device not authorized"


@pytest.mark.parametrize("nearly", [1, "true", object()])
def test_only_true_allows(nearly: Any) -> None:
    assert decide(evaluation(nearly)).outcome is Outcome.DENY


@pytest.mark.parametrize("nearly", [1, "false", object(), None, 0, ""])
def test_only_false_does_not_deny(nearly: Any) -> None:
    assert decide(evaluation(True, deny=nearly)).outcome is Outcome.DENY


CASES = [
    case
    for line in (Path(__file__).parent.parent / "conformance" / "ppl-cases.jsonl")
    .read_text("utf-8")
    .splitlines()
    if (case := json.loads(line))["kind"] == "response"
    # These ask in which form it is said.
    and not any(word in case["id"] for word in ("mcp", "json-login"))
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_the_conformance_cases_agree(case: dict[str, Any]) -> None:
    allow, deny = case["input"]["allow"], case["input"]["deny"]
    decision = decide(evaluation(allow["value"], set(allow["reasons"]), deny["value"], set(deny["reasons"])))
    status = 302 if decision.outcome in (Outcome.LOGIN, Outcome.STEP_UP) else decision.status
    assert status == case["expect"]["http_status"]
    assert len(CASES) >= 11
