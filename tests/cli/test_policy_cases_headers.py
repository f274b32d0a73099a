"""Cases about headers for the upstream agree, and answers come from the input alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pomerium_tw.cli.policy.cases.headers import ANSWERS, answer
from pomerium_tw.cli.policy.cases.identity import caller, session_record
from pomerium_tw.model import Device

CASES = [
    case
    for line in (Path(__file__).parent.parent / "conformance" / "ppl-cases.jsonl")
    .read_text("utf-8")
    .splitlines()
    if (case := json.loads(line))["kind"] in ANSWERS
]


def test_there_are_as_many_cases_as_there_should_be() -> None:
    assert len(CASES) == 29 + 12 + 3


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_the_cases_agree(case: dict[str, Any]) -> None:
    given = {name: value for name, value in case.items() if name != "expect"}
    found = answer(given)
    for key, wanted in case["expect"].items():
        if key == "headers":
            told = {name.lower(): value for name, value in found[key].items()}
            assert {name: told[name.lower()] for name in wanted} == wanted
        elif key == "jwt":
            assert {name: found[key][name] for name in wanted} == wanted
        else:
            assert found[key] == wanted


SESSIONS = [
    {"id": "s1", "user_id": "u1", "impersonate_session_id": "s2"},
    {"id": "s2", "user_id": "u2", "access_token": "t2"},
    {"id": "gone", "user_id": "u1", "impersonate_session_id": "missing"},
    {"id": "old", "user_id": "u1", "expires_at": "2026-01-01T00:00:00Z"},
    {"id": "lasting", "user_id": "u1", "expires_at": 2_000_000_000},
    {"id": "to-old", "user_id": "u1", "impersonate_session_id": "old"},
    {"id": "account", "user_id": "nobody"},
]


@pytest.mark.parametrize(
    ("session_id", "user_id"),
    [
        ("s1", "u2"),
        ("s2", "u2"),
        ("gone", None),
        ("old", None),
        ("lasting", "u1"),
        ("to-old", None),
        ("missing", None),
        ("account", "robot"),
    ],
)
def test_a_caller_is_who_the_records_make_him(session_id: str, user_id: str | None) -> None:
    given = {
        "now": 1_900_000_000,
        "session_id": session_id,
        "sessions": SESSIONS,
        "service_account": {"id": "account", "user_id": "robot"},
    }
    identity = caller(given)
    assert (identity.session.user_id if identity.session else None) == user_id
    assert identity.session_id == session_id
    assert session_record(given).get("access_token") == ("t2" if user_id == "u2" else None)


def test_a_caller_has_the_devices_whose_records_stand() -> None:
    credentials = [{"type_id": "any", "credential_id": "c1"}, {"type_id": "t", "credential_id": "c9"}]
    given = {
        "session": {"id": "s", "user_id": "u", "device_credentials": credentials},
        "devices": {
            "credentials": [{"id": "c1", "enrollment_id": "e1"}],
            "enrollments": [{"id": "e1", "approved_by": "u"}],
        },
    }
    assert caller(given).devices == {"any": Device("c1", enrolled=True, approved=True)}


def test_records_of_somebody_else_do_not_count() -> None:
    given = {
        "session": {"id": "s", "user_id": "u"},
        "user": {"id": "other", "email": "x"},
        "directory_user": {"id": "other", "group_ids": ["g"]},
    }
    identity = caller(given)
    assert (identity.user, identity.directory, identity.email) == (None, None, "")
