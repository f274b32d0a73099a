"""The conformance cases of the kinds that are about answers and about routes as they are written."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from pomerium_tw.cli.policy.cases.responses import ANSWERS, answer, http_status
from pomerium_tw.model import MCPCall
from pomerium_tw.policy import Evaluation
from tests.pages.memory import incoming

CASES = [
    case
    for line in (Path(__file__).parent.parent / "conformance" / "ppl-cases.jsonl")
    .read_text("utf-8")
    .splitlines()
    if (case := json.loads(line))["kind"] in ANSWERS
]


def agrees(key: str, want: Any, found: dict[str, Any]) -> bool:
    if key.endswith("_contains"):
        return want in found[key.removesuffix("_contains")]
    if key in ("headers", "json"):
        return bool(want.items() <= found[key].items())
    return bool(found[key] == want)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_the_case_agrees(case: dict[str, Any]) -> None:
    asked = {key: value for key, value in case.items() if key != "expect"}
    found = answer(asked)
    for key, want in case["expect"].items():
        assert agrees(key, want, found), (key, want, found.get(key))
    json.dumps(found)


def test_every_case_of_these_kinds_is_there() -> None:
    assert Counter(case["kind"] for case in CASES) == {
        "internal": 10,
        "response": 16,
        "should_redirect": 10,
        "deny_format": 8,
        "validate": 6,
        "to_ppl": 5,
    }


@pytest.mark.parametrize(
    ("why", "status"),
    [
        ("user-unauthenticated", 302),
        ("device-unauthenticated", 302),
        ("device-unauthorized", 450),
        ("email-unauthorized", 403),
    ],
)
def test_an_evaluation_comes_to_a_status(why: str, status: int) -> None:
    evaluation = Evaluation(False, frozenset({why}), False, frozenset())
    assert http_status(evaluation, incoming()) == status
    # Calls of tools are answered by JSON-RPC on routes that serve agents alone.
    assert http_status(evaluation, incoming()._replace(mcp=MCPCall(1, "tools/call"))) == status


def test_what_is_allowed_comes_to_200() -> None:
    assert http_status(Evaluation(True, frozenset(), False, frozenset()), incoming()) == 200


def test_a_route_that_cannot_be_decoded_is_a_configuration_error() -> None:
    assert answer({"kind": "validate", "config": {"timeout": "soon"}}) == {"config_error": True}
