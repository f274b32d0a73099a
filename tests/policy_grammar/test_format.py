from __future__ import annotations

from textwrap import dedent

from hypothesis import given, settings

from policy_grammar import Criterion, Operator, Policy, Rule, parse_data, parse_text, to_data, to_text
from policy_grammar.format import WIDTH

from .trees import policies


def one(criterion: Criterion) -> str:
    """The lines of one criterion, without what stands around it."""
    text = to_text(Policy("p", (Rule("allow", (Operator("or", (criterion,)),)),)))
    return dedent("\n".join(text.splitlines()[2:-2]))


@settings(deadline=None)
@given(policies())
def test_tree_to_text_to_tree_is_loss_free_and_text_a_fixed_point(policy: Policy) -> None:
    text = to_text(policy)
    (again,) = parse_text(text, "t.ppl")
    assert again == policy
    assert to_text(again) == text


@settings(deadline=None)
@given(policies())
def test_text_and_data_of_one_tree_are_the_same_policy(policy: Policy) -> None:
    (from_text,) = parse_text(to_text(policy), "t.ppl")
    assert parse_data(to_data(from_text), name=policy.name) == policy


@settings(deadline=None)
@given(policies())
def test_text_can_always_be_written_to_a_file(policy: Policy) -> None:
    text = to_text(policy)
    assert text.encode("utf-8").decode("utf-8") == text


def test_the_canonical_layout() -> None:
    source = """
    policy "p" { allow or { domain is "a.com"; accept
      claim/ok true }; deny { and { http_path { starts_with "/x", not: "/x/y" } } nor { reject } } allow { } }
    policy { }
    """
    assert to_text(*parse_text(source, "t.ppl")) == dedent(
        """\
        policy "p" {
            allow or {
                domain is "a.com"
                accept
                claim/ok true
            }
            deny {
                and {
                    http_path { starts_with "/x", not "/x/y" }
                }
                nor {
                    reject
                }
            }
            allow {}
        }

        policy {}
        """
    )


def test_operator_form_stands_for_an_object_of_one_key() -> None:
    assert one(Criterion("email", data={"in": ["a", "b"]})) == 'email in ["a", "b"]'
    assert one(Criterion("email", data="a")) == 'email "a"'
    assert one(Criterion("record", data={">": 5})) == "record > 5"


def test_words_that_stand_for_values_are_quoted_where_they_are_names() -> None:
    assert one(Criterion("x", data={"true": 1})) == "x { true 1 }"
    assert one(Criterion("x", data={"a b": 1})) == 'x { "a b" 1 }'


def test_names_that_the_grammar_would_split_are_quoted() -> None:
    assert one(Criterion("odd name", "x", 1)) == '"odd name/x" 1'
    assert one(Criterion("claim", "a#b", 1)) == '"claim/a#b" 1'
    assert one(Criterion("claim", "https://example.com/roles", 1)) == "claim/https://example.com/roles 1"


def test_what_a_screen_would_hide_is_escaped() -> None:
    assert one(Criterion("x", data="a\u202eb")) == 'x "a\\u202eb"'
    assert one(Criterion("x", data="Zoë")) == 'x "Zoë"'


def test_long_lists_and_blocks_take_a_line_for_each_member() -> None:
    names = [f"user-{number}@companydomain.com" for number in range(6)]
    lines = one(Criterion("email", data={"in": names, "not": "x"})).splitlines()
    assert lines[:3] == ["email {", "    in [", f'        "{names[0]}",']
    assert lines[-3:] == ["    ]", '    not "x"', "}"]
    assert all(len(line) <= WIDTH for line in lines)
