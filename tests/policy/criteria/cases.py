"""The conformance cases whose ids begin with given words, as parameters of a test."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from policy_grammar import PolicySyntaxError, parse_data
from pomerium_tw.model import Identity, Request, Session, User
from pomerium_tw.policy import Evaluation, compile_policy
from tests.policy.situations import request

Case = dict[str, Any]
CASES: list[Case] = [
    json.loads(line)
    for line in (Path(__file__).parents[2] / "conformance" / "ppl-cases.jsonl")
    .read_text("utf-8")
    .splitlines()
]


def cases(kind: str, *beginnings: str) -> list[Any]:
    found = [case for case in CASES if case["kind"] == kind and case["id"].startswith(beginnings)]
    assert found
    return [pytest.param(case, id=case["id"]) for case in found]


def check_error(case: Case) -> None:
    """The policy of the case parses and does not compile."""
    policy = parse_data(case["ppl"])
    with pytest.raises(PolicySyntaxError) as caught:
        compile_policy([policy])
    assert case["expect"].get("error_contains", "") in str(caught.value)


def check_outcome(case: Case, found: Evaluation) -> None:
    expect = case["expect"]
    assert (found.allow, found.deny) == (expect["allow"], expect["deny"])
    assert sorted(found.allow_reasons) == sorted(expect["allow_reasons"])
    assert sorted(found.deny_reasons) == sorted(expect["deny_reasons"])


def asked(**parts: Any) -> Request:
    return request()._replace(**parts)


def caller(given: Case) -> Identity:
    """Who asks, in a case without impersonation or service accounts."""
    session, user = given.get("session"), given.get("user")
    if session is None or given.get("session_id") not in (None, session["id"]):
        return Identity()
    claims = {name: tuple(values) for name, values in session.get("claims", {}).items()}
    return Identity(
        Session(session["id"], session["user_id"], "idp", 0.0, 9.0, claims),
        User(user["id"], "", user["email"]) if user else None,
    )
