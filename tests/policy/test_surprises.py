"""spec/ppl §4.4: where a policy lets in callers without a session is named, and nothing else is."""

from __future__ import annotations

import pytest

from policy_grammar import parse_text
from pomerium_tw.policy import criterion, surprises
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
