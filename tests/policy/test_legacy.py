from __future__ import annotations

from policy_grammar import Policy, Rule, Span, parse_data, to_data
from pomerium_tw.policy import AccessLists, legacy_policy


def test_fields_become_one_rule_in_a_fixed_order() -> None:
    policy = legacy_policy([AccessLists(["d"], {"c": ["x"]}, ["u"])], any_user=True, cors=True, public=True)
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
    policy = legacy_policy(
        [AccessLists(claims={"b": {"y": [True], "x": 1}, "a": ["1", 3]}), AccessLists(claims={"a": "2"})]
    )
    found = [(each.sub_path, each.data) for each in policy.rules[0].operators[0].criteria]
    assert found == [("a", "1"), ("a", 3), ("b.x", 1), ("b.y", True), ("a", "2")]


def test_an_empty_rule_is_left_out_only_before_a_policy() -> None:
    own = parse_data({"deny": {"or": [{"reject": 1}]}})
    assert legacy_policy().rules == (Rule("allow"),)
    assert legacy_policy(policies=[own]).rules == own.rules
    assert legacy_policy(policies=[Policy("")]).rules == ()
    assert len(legacy_policy(public=True, policies=[own]).rules) == 2


def test_every_criterion_points_at_the_key_that_it_comes_from() -> None:
    def span_of(*path: str | int) -> Span:
        return Span("config.yaml", len(path), path[-1] if isinstance(path[-1], int) else 9)

    lists = AccessLists(["d", "e"], {"c": "1"}, ["u"], span_of)
    policy = legacy_policy([lists], public=True, span=Span("config.yaml", 12, 5))
    criteria = policy.rules[0].operators[0].criteria
    assert [(each.key, each.span.line, each.span.column) for each in criteria] == [
        ("accept", 1, 9),
        ("domain", 2, 0),
        ("domain", 2, 1),
        ("claim/c", 2, 9),
        ("user", 2, 0),
        ("email", 2, 0),
    ]
    assert policy.rules[0].span == Span("config.yaml", 12, 5)


def test_sub_policies_add_to_each_list_after_the_route() -> None:
    policy = legacy_policy(
        [
            AccessLists(["d1"], {"c": "1"}, ["u1"]),
            AccessLists(["d2"], {"b": "2"}, ["u2"]),
            AccessLists(),
            AccessLists(domains=["d3"]),
        ]
    )
    found = [(each.key, each.data) for each in policy.rules[0].operators[0].criteria]
    assert found == [
        ("domain", {"is": "d1"}),
        ("domain", {"is": "d2"}),
        ("domain", {"is": "d3"}),
        ("claim/c", "1"),
        ("claim/b", "2"),
        ("user", {"is": "u1"}),
        ("email", {"is": "u1"}),
        ("user", {"is": "u2"}),
        ("email", {"is": "u2"}),
    ]


def test_the_default_rule_for_client_certificates_comes_last() -> None:
    own = parse_data([{"deny": {"or": [{"reject": 1}]}}, {"allow": {"or": [{"accept": 1}]}}])
    rule = {"deny": {"or": [{"invalid_client_certificate": True}]}}
    for policies, users in (([own], ["u"]), ([own], []), ([], ["u"]), ([], [])):
        lists = [AccessLists(users=users)]
        without = legacy_policy(lists, policies=policies)
        found = legacy_policy(lists, policies=policies, default_client_certificate_rule=True)
        assert to_data(found) == [*to_data(without), rule]
