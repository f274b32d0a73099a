"""The cases of tests/conformance/ppl-cases.jsonl that this room answers: kinds parse, policy and to_ppl.

Identities are resolved here as spec/ppl §4.1 says (impersonation, service accounts, directory e-mail): in
production that is the work of others, and a policy sees only the result. A case that uses a criterion that
is not built yet is skipped under its name.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from policy_grammar import Policy, PolicySyntaxError, parse_data, to_data
from pomerium_tw.model import Identity, Request, Session, User
from pomerium_tw.policy import NOT_BUILT, compile_policy, legacy_policy

from .situations import request

Case = dict[str, Any]
CASES: list[Case] = [
    json.loads(line)
    for line in (Path(__file__).parent.parent / "conformance" / "ppl-cases.jsonl")
    .read_text("utf-8")
    .splitlines()
]


def cases(kind: str) -> list[Any]:
    return [pytest.param(case, id=case["id"]) for case in CASES if case["kind"] == kind]


def legacy(config: Case, policies: list[Policy]) -> Policy:
    parts = [config, *config.get("sub_policies", [])]
    return legacy_policy(
        public=config.get("allow_public_unauthenticated_access", False),
        cors=config.get("cors_allow_preflight", False),
        any_user=config.get("allow_any_authenticated_user", False),
        domains=[domain for part in parts for domain in part.get("allowed_domains", [])],
        claims=[part.get("allowed_idp_claims", {}) for part in parts],
        users=[user for part in parts for user in part.get("allowed_users", [])],
        policies=policies,
    )


def policy_of(case: Case) -> Policy:
    config = case.get("config", {})
    own = case.get("ppl") if case.get("ppl") is not None else config.get("policy")
    return legacy(config, [parse_data(own)]) if own is not None else legacy(config, [])


def waits_for(case: Case) -> set[str]:
    """The criteria that the case needs and that are not built yet."""
    try:
        policy = policy_of(case)
    except PolicySyntaxError:
        return set()
    used = {each.name for rule in policy.rules for operator in rule.operators for each in operator.criteria}
    config = case.get("config", {})
    if config.get("add_default_client_certificate_rule") or "ca_pem" in json.dumps(config):
        used.add("invalid_client_certificate")
    return used & NOT_BUILT


def skip_if_waiting(case: Case) -> None:
    if waiting := waits_for(case):
        pytest.skip(f"not built yet: {', '.join(sorted(waiting))}")


def flat(claims: Case) -> dict[str, tuple[Any, ...]]:
    return {name: tuple(values) for name, values in claims.items()}


def asked(given: Case) -> Request:
    values = given.get("request", {})
    return request(values.get("method", ""), values.get("path", ""), values.get("headers", {}))


def caller(given: Case) -> Identity:
    """Who asks, resolved from the records of a case (spec/ppl §4.1)."""
    account = given.get("service_account", {})
    records = [each for each in (account, *given.get("sessions", []), given.get("session")) if each]
    sessions = {each["id"]: each for each in records}
    wanted = given.get("session_id") or (given["session"]["id"] if given.get("session") else "")
    record = sessions.get(wanted)
    if record and record.get("impersonate_session_id"):
        record = sessions.get(record["impersonate_session_id"])
    if record is None:
        return Identity()
    user_id = record.get("user_id", "")
    users = {each["id"]: each for each in (*given.get("users", []), given.get("user")) if each}
    user = users.get(user_id, {})
    directory = given.get("directory_user", {})
    email = directory.get("email") or user.get("email", "")
    return Identity(
        Session(record["id"], user_id, "idp", 0.0, 9.0, flat(record.get("claims", {}))),
        User(user_id, "", email, flat(user.get("claims", {}))),
    )


@pytest.mark.parametrize("case", cases("parse"))
def test_parse(case: Case) -> None:
    expect = case["expect"]
    if not expect["parse_error"]:
        policy = parse_data(case["ppl"])
        rules = [
            {
                "action": rule.action,
                **{
                    operator.kind: [
                        {"name": each.name, "sub_path": each.sub_path, "data": each.data}
                        for each in operator.criteria
                    ]
                    for operator in rule.operators
                },
            }
            for rule in policy.rules
        ]
        assert rules == expect["rules"]
        assert "to_json" not in expect or to_data(policy) == expect["to_json"]
        return
    if expect["error_stage"] == "parser":
        with pytest.raises(PolicySyntaxError):
            parse_data(case["ppl"])
        return
    skip_if_waiting(case)
    policy = parse_data(case["ppl"])
    with pytest.raises(PolicySyntaxError) as caught:
        compile_policy([policy])
    assert expect.get("error_contains", "") in str(caught.value)


@pytest.mark.parametrize("case", cases("policy"))
def test_policy(case: Case) -> None:
    skip_if_waiting(case)
    found = compile_policy([policy_of(case)]).evaluate(asked(case["input"]), caller(case["input"]))
    expect = case["expect"]
    assert (found.allow, found.deny) == (expect["allow"], expect["deny"])
    assert sorted(found.allow_reasons) == sorted(expect["allow_reasons"])
    assert sorted(found.deny_reasons) == sorted(expect["deny_reasons"])
    assert sorted(found.allow_reasons | found.deny_reasons) == sorted(expect["reasons"])


@pytest.mark.parametrize("case", cases("to_ppl"))
def test_to_ppl(case: Case) -> None:
    assert to_data(policy_of(case)) == case["expect"]["ppl"]


def test_what_waits_waits_for_a_criterion_that_is_not_built(capsys: pytest.CaptureFixture[str]) -> None:
    mine = [case for case in CASES if case["kind"] in ("parse", "policy", "to_ppl")]
    waiting = Counter(
        name
        for case in mine
        if case["kind"] != "to_ppl" and case["expect"].get("error_stage") != "parser"
        for name in waits_for(case)
    )
    ran = sum(not waits_for(case) for case in mine)
    with capsys.disabled():
        print(
            f"\n{ran} of {len(mine)} conformance cases of this room run; the others wait for {dict(waiting)}"
        )
    assert set(waiting) <= NOT_BUILT
    assert ran >= 135
