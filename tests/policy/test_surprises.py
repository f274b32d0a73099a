"""spec/ppl §4.4: where a policy lets in callers without a session is named, and nothing else is."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_network
from typing import Any, NamedTuple

import pytest

from policy_grammar import parse_text
from pomerium_tw.policy import Environment, ExternalData, criterion, surprises
from pomerium_tw.policy.criteria import BUILT_IN


def found(rules: str) -> list[tuple[int, str]]:
    """(line, first words) of every surprise; the rules begin on line 2."""
    policies = parse_text(f"policy {{\n{rules}\n}}", "t.ppl")
    return [(each.span.line, each.message.split(" without")[0]) for each in surprises(policies)]


@pytest.mark.parametrize(
    "written",
    [
        'email not "a@example.com"',
        'email not_in ["a@example.com"]',
        'email ""',
        'email { not "a@example.com", starts_with "" }',
        'claim/x exclude "y"',
        "device approved false",
    ],
)
def test_a_criterion_that_holds_without_a_session_is_named(written: str) -> None:
    key = written.split(maxsplit=1)[0]
    assert found(f"allow or {{\n{written}\n}}") == [(3, f"{key} holds")]
    assert found(f"allow and {{\n{written}\n}}") == [(3, f"{key} holds")]
    assert found(f"deny or {{\n{written}\n}}") == []


@pytest.mark.parametrize(
    "written",
    ['domain not "x"', 'user not "x"', 'groups exclude "x"', 'email "a@b"', 'http_path not "/x"', "accept"],
)
def test_others_are_not(written: str) -> None:
    assert found(f"allow or {{\n{written}\n}}") == []


def test_and_is_no_surprise_where_another_criterion_asks_for_a_session() -> None:
    assert found('allow and {\nemail not "a"\nauthenticated_user\n}') == []
    assert found('allow and {\nemail not "a"\nhttp_path "/x"\n}') == [(3, "email holds")]


@pytest.mark.parametrize("operator", ["not", "nor"])
def test_an_inverted_operator_under_allow_is_named_once(operator: str) -> None:
    rules = f'allow {operator} {{\ndomain "x"\nemail "y"\n}}'
    assert found(rules) == [(2, f"allow {operator} is true")]
    assert found(rules.replace("allow", "deny")) == []
    assert found(f'allow {operator} {{ http_path "/x" }}') == []


def test_criteria_of_plugins_are_not_run() -> None:
    @criterion("loud")
    def loud(identity: object) -> bool:
        raise AssertionError("it was run")

    policies = parse_text("policy { allow or { loud } }", "t.ppl")
    assert list(surprises(policies, {**BUILT_IN, "loud": loud})) == []


class Source(NamedTuple):
    record_type: str
    foreign_key: str
    records: Mapping[Any, Any]


GEO = ExternalData([Source("geo", "request.ip", {ip_network("192.0.2.0/24"): {"country": "DE"}})])
STAFF = ExternalData([Source("staff", "user.email", {"a@b": {"level": 5}})])


@pytest.mark.parametrize(
    ("rules", "records", "expected"),
    [
        ('allow and {\nclaim/x exclude "y"\nrecord { type "geo", field "country", is "DE" }\n}', GEO, [3]),
        ('allow and {\nrecord { type "geo", exists false }\naccept\n}', GEO, []),
        ('allow or {\nrecord { type "geo", exists false }\n}', GEO, []),
        ('allow or {\nrecord { type "staff", exists false }\n}', STAFF, [3]),
        ('allow or {\nrecord { type "staff", field "level", ">" 3 }\n}', STAFF, []),
        ('allow and {\nclaim/x exclude "y"\nrecord { type "staff", exists true }\n}', STAFF, []),
        ('allow not {\naccept\nrecord { type "staff", exists true }\n}', STAFF, []),
    ],
)
def test_a_record_asks_who_is_there_only_if_the_caller_has_its_key(
    rules: str, records: ExternalData, expected: list[int]
) -> None:
    policies = parse_text(f"policy {{\n{rules}\n}}", "t.ppl")
    found = surprises(policies, BUILT_IN, Environment(records=records))
    assert [each.span.line for each in found] == expected


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ('allow nor { email not "x"; http_path "/a" }', "callers are let in without signing in"),
        ('allow nor { domain "x"; http_path "/a" }', "all who sign in are let in"),
        ('allow not { accept; domain "x" }', ""),
        ('allow not { email not "x" }', ""),
        ('allow and { email not "x"; reject }', ""),
        ('allow or { email not "x"; reject }', "callers are let in without signing in"),
        ("allow or { accept false }", "false changes nothing"),
    ],
)
def test_what_is_said_is_what_would_happen(rules: str, said: str) -> None:
    found = [each.message for each in surprises(parse_text(f"policy {{ {rules} }}", "t.ppl"))]
    assert [said in message for message in found] == [True] * bool(said)


def test_a_word_of_a_plugin_that_asks_who_is_there_is_named_under_not() -> None:
    @criterion("staff")
    def staff(identity: object) -> bool:
        raise AssertionError("it was run")

    policies = parse_text("policy { allow not { staff } }", "t.ppl")
    (found,) = surprises(policies, {**BUILT_IN, "staff": staff})
    assert "all who sign in are let in" in found.message
