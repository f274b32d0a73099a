"""Random syntax trees: anything that a policy may be, odd names and data included."""

from __future__ import annotations

from hypothesis import strategies as st

from policy_grammar import ACTIONS, OPERATORS, Criterion, Operator, Policy, Rule

texts = st.one_of(
    st.sampled_from(
        ["is", "has", "true", "null", "policy", "", '"', "\\", "a b", "é", "\u202e", "\ud800", "#;{}[]"]
    ),
    st.text(max_size=12),
)
numbers = st.one_of(st.integers(-(2**70), 2**70), st.floats(allow_nan=False, allow_infinity=False))
json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), numbers, texts),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(texts, inner, max_size=4)),
    max_leaves=12,
)
names = st.one_of(
    st.sampled_from(["accept", "claim", "http_path", "true"]), texts.map(lambda text: text.replace("/", ""))
)
sub_paths = st.one_of(st.sampled_from(["", "groups", "https://example.com/a#b", "a/b"]), texts)
criteria = st.builds(Criterion, names, sub_paths, json_values)


def operators(of: st.SearchStrategy[Criterion]) -> st.SearchStrategy[list[Operator]]:
    one = st.builds(Operator, st.sampled_from(OPERATORS), st.lists(of, min_size=1, max_size=4).map(tuple))
    return st.lists(one, max_size=4, unique_by=lambda operator: operator.kind)


def rules(of: st.SearchStrategy[Criterion]) -> st.SearchStrategy[Rule]:
    return st.builds(Rule, st.sampled_from(ACTIONS), operators(of).map(tuple))


def policies(of: st.SearchStrategy[Criterion] = criteria) -> st.SearchStrategy[Policy]:
    return st.builds(Policy, texts, st.lists(rules(of), max_size=4).map(tuple))
