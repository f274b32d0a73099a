from __future__ import annotations

import datetime
from typing import Any

import pytest
from hypothesis import given, settings

from policy_grammar import MAX_DEPTH, Path, PolicySyntaxError, Span, parse_data, to_data
from policy_grammar import data as data_module

from .trees import policies


def spans(path: Path) -> Span:
    return Span("/".join(map(str, path)) or "root", 1, 1)


def test_the_rules_of_one_object_stand_in_the_order_of_their_actions() -> None:
    policy = parse_data({"deny": {"or": [{"reject": 1}]}, "allow": {}})
    assert [rule.action for rule in policy.rules] == ["allow", "deny"]


def test_the_order_of_list_items_is_kept() -> None:
    assert [rule.action for rule in parse_data([{"deny": {}}, {"allow": {}}, {"deny": {}}]).rules] == [
        "deny",
        "allow",
        "deny",
    ]


def test_empty_documents_hold_no_rules() -> None:
    assert parse_data({}).rules == parse_data([]).rules == ()


def test_a_key_splits_at_its_first_slash() -> None:
    (rule,) = parse_data({"allow": {"or": [{"claim/example.com/key": "x"}]}}).rules
    criterion = rule.operators[0].criteria[0]
    assert (criterion.name, criterion.sub_path) == ("claim", "example.com/key")


def test_a_key_called_action_in_a_rule_is_ignored() -> None:
    assert parse_data({"allow": {"action": "deny", "or": [{"accept": 1}]}}) == parse_data(
        {"allow": {"or": [{"accept": 1}]}}
    )


def test_empty_operators_leave_an_empty_rule() -> None:
    assert to_data(parse_data({"allow": {"and": [], "or": []}})) == [{"allow": {}}]


def test_every_node_and_every_part_of_the_data_has_its_place() -> None:
    policy = parse_data([{"allow": {"or": [{"email": {"in": ["a", "b"]}}]}}], spans)
    rule = policy.rules[0]
    criterion = rule.operators[0].criteria[0]
    assert rule.span.file == "0/allow"
    assert rule.operators[0].span.file == "0/allow/or"
    assert criterion.span.file == "0/allow/or/0/email"
    assert criterion.where("in", 1).file == "0/allow/or/0/email/in/1"


@pytest.mark.parametrize(
    ("data", "place", "message"),
    [
        (None, "root", "not null"),
        ("allow", "root", "not a text"),
        (1, "root", "not a number"),
        (True, "root", "not a boolean"),
        ([None], "0", "not null"),
        ([[{}]], "0", "not a list"),
        ({"Allow": {}}, "Allow", "unknown action: Allow"),
        ({1: {}}, "1", "unknown action: 1"),
        ({"allow": None}, "allow", "null"),
        ({"allow": []}, "allow", "a list"),
        ({"allow": {"AND": []}}, "allow/AND", "unsupported conditional: AND"),
        ({"allow": {"domain": {"is": "x"}}}, "allow/domain", "unsupported conditional: domain"),
        ({"allow": {"or": {}}}, "allow/or", "not an object"),
        ({"allow": {"or": None}}, "allow/or", "not null"),
        ({"allow": {"or": ["accept"]}}, "allow/or/0", "not a text"),
        ({"allow": {"or": [{}]}}, "allow/or/0", "this one has 0"),
        ({"allow": {"or": [{"a": 1, "b": 1}]}}, "allow/or/0", "this one has 2"),
        ({"allow": {"or": [{5: 1}]}}, "allow/or/0/5", "a text, not a number"),
        ({"allow": {"or": [{"a": {5: 1}}]}}, "allow/or/0/a/5", "keys of an object are texts"),
        ({"allow": {"or": [{"a": float("nan")}]}}, "allow/or/0/a", "JSON"),
        ({"allow": {"or": [{"a": 2**2000}]}}, "allow/or/0/a", "JSON"),
        ({"allow": {"or": [{"a": datetime.date(2026, 1, 1)}]}}, "allow/or/0/a", "a date is not a JSON value"),
        ({"allow": {"or": [{"a": b"x"}]}}, "allow/or/0/a", "a bytes is not a JSON value"),
    ],
)
def test_shapes_outside_the_language_are_refused_at_their_place(data: Any, place: str, message: str) -> None:
    with pytest.raises(PolicySyntaxError) as caught:
        parse_data(data, spans)
    assert caught.value.span.file == place
    assert message in caught.value.message


def test_a_misspelt_action_or_operator_is_answered_with_the_nearest_word() -> None:
    with pytest.raises(PolicySyntaxError, match="did you mean 'allow'"):
        parse_data({"alow": {}})
    with pytest.raises(PolicySyntaxError, match="did you mean 'nor'"):
        parse_data({"allow": {"norr": []}})


def test_data_nested_too_deep_is_refused_and_at_the_limit_accepted() -> None:
    data: Any = "x"
    for _ in range(MAX_DEPTH):
        data = [data]
    parse_data({"allow": {"or": [{"a": data}]}})
    for _ in range(100_000):
        data = [data]
    with pytest.raises(PolicySyntaxError, match="deep"):
        parse_data({"allow": {"or": [{"a": data}]}})


def test_shared_parts_count_each_time_so_that_aliases_cannot_explode(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data_module, "MAX_NODES", 10_000)
    bomb: Any = ["x"] * 10
    for _ in range(20):
        bomb = [bomb] * 10
    with pytest.raises(PolicySyntaxError, match="more than 10,000 values"):
        parse_data({"allow": {"or": [{"a": bomb}]}})


def test_the_tree_keeps_no_hold_on_the_data_it_was_read_from() -> None:
    data = {"allow": {"or": [{"email": {"in": ["a"]}}]}}
    policy = parse_data(data)
    data["allow"]["or"][0]["email"]["in"].append("b")
    to_data(policy)[0]["allow"]["or"][0]["email"]["in"].append("c")
    assert to_data(policy) == [{"allow": {"or": [{"email": {"in": ["a"]}}]}}]


@settings(deadline=None)
@given(policies())
def test_data_to_tree_to_data_is_a_fixed_point(policy: Any) -> None:
    data = to_data(policy)
    again = parse_data(data, name=policy.name)
    assert again == policy
    assert to_data(again) == data
