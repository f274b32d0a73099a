from __future__ import annotations

from policy_grammar import Policy, Rule, Span, parse_data, to_data
from pomerium_tw.policy import legacy_policy


def test_fields_become_one_rule_in_a_fixed_order() -> None:
    policy = legacy_policy(
        users=["u"], claims=[{"c": ["x"]}], domains=["d"], any_user=True, cors=True, public=True
    )
    assert to_data(policy) == [
        {
            "allow": {
                "or": [
                    {"accept": True},
                    {"cors_preflight": True},
                    {"authenticated_user": True},
                    {"domain": {"is": "d"}},
                    {"claim/c": "x"},
                    {"user": {"is": "u"}},
                    {"email": {"is": "u"}},
                ]
            }
        }
    ]


def test_claims_are_sorted_within_a_map_flattened_and_keep_their_types() -> None:
    policy = legacy_policy(claims=[{"b": {"y": [True], "x": 1}, "a": ["1", 3]}, {"a": "2"}])
    found = [(each.sub_path, each.data) for each in policy.rules[0].operators[0].criteria]
    assert found == [("a", "1"), ("a", 3), ("b.x", 1), ("b.y", True), ("a", "2")]


def test_an_empty_rule_is_left_out_only_before_a_policy() -> None:
    own = parse_data({"deny": {"or": [{"reject": 1}]}})
    assert legacy_policy().rules == (Rule("allow"),)
    assert legacy_policy(policies=[own]).rules == own.rules
    assert legacy_policy(policies=[Policy("")]).rules == ()
    assert len(legacy_policy(public=True, policies=[own]).rules) == 2


def test_every_criterion_points_at_the_route() -> None:
    route = Span("config.yaml", 12, 5)
    policy = legacy_policy(users=["u"], span=route)
    assert {each.span for each in policy.rules[0].operators[0].criteria} == {route}
