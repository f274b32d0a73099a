"""Whole documents as data: Pomerium's shape, and ours for names and includes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings

from policy_grammar import (
    Document,
    Include,
    Path,
    Policy,
    PolicySyntaxError,
    Span,
    parse_data,
    parse_document_data,
    to_document_data,
)

from .commented import documents

RULES = [{"allow": {"or": [{"accept": True}]}}]


def spans(path: Path) -> Span:
    return Span("/".join(map(str, path)) or "root", 1, 1)


@pytest.mark.parametrize("data", [RULES, RULES[0], {}, []])
def test_pomeriums_shape_is_one_policy_without_a_name(data: Any) -> None:
    assert parse_document_data(data) == Document((), (parse_data(data),))


def test_our_shape_has_names_and_includes() -> None:
    data = {"policies": [{"policy": RULES, "name": "a"}, {"policy": {}}], "include": ["b.ppl"]}
    document = parse_document_data(data, spans)
    assert document == Document((Include("b.ppl"),), (parse_data(RULES, name="a"), Policy()))
    assert document.includes[0].span.file == "include/0"
    assert [policy.span.file for policy in document.policies] == ["policies/0/name", "policies/1"]
    assert document.policies[0].rules[0].span.file == "policies/0/policy/0/allow"


@pytest.mark.parametrize(
    ("data", "place", "message"),
    [
        ({"polices": []}, "polices", "unknown action: polices\n  did you mean 'policies'"),
        ({"policies": [], "allow": {}}, "allow", "unknown key: allow"),
        (
            {"policies": {}},
            "policies",
            "policies holds a list of objects with name and policy, not an object",
        ),
        ({"policies": ["a"]}, "policies/0", "an object with name and policy, not a text"),
        ({"policies": [{"polcy": []}]}, "policies/0/polcy", "unknown key: polcy\n  did you mean 'policy'"),
        ({"policies": [{"name": "a"}]}, "policies/0", "this policy has no rules"),
        ({"policies": [{"name": 1, "policy": []}]}, "policies/0/name", "a text, not a number"),
        ({"policies": [{"name": "a", "policy": "b"}]}, "policies/0/policy", "not a text"),
        ({"policies": [{"policy": [{"alow": {}}]}]}, "policies/0/policy/0/alow", "did you mean 'allow'"),
        ({"include": "a.ppl"}, "include", "include holds a list of paths, not a text"),
        ({"include": [1]}, "include/0", "the path of a file, not a number"),
        ({"include": [""]}, "include/0", "not an empty text"),
        ({"include": None}, "include", "not null"),
        (None, "root", "not null"),
    ],
)
def test_other_shapes_are_refused_at_their_place(data: Any, place: str, message: str) -> None:
    with pytest.raises(PolicySyntaxError) as caught:
        parse_document_data(data, spans)
    assert caught.value.span.file == place
    assert message in str(caught.value)


def test_a_name_stands_once() -> None:
    entry = {"name": "a", "policy": []}
    with pytest.raises(PolicySyntaxError) as caught:
        parse_document_data({"policies": [entry, entry]}, spans)
    assert caught.value.span.file == "policies/1/name"
    assert "the first stands at policies/0/name" in caught.value.message


@settings(deadline=None)
@given(documents(commented=False))
def test_data_to_document_to_data_is_a_fixed_point(document: Document) -> None:
    data = to_document_data(document)
    assert parse_document_data(data) == document
    assert to_document_data(parse_document_data(data)) == data
