from __future__ import annotations

import pytest

from policy_grammar import Criterion, Operator, Policy, Rule, Span

HERE = Span("a.ppl", 3, 9)


def test_trees_written_in_different_places_are_equal() -> None:
    one = Policy(
        "p", (Rule("allow", (Operator("or", (Criterion("accept", span=HERE),), HERE),), HERE),), HERE
    )
    other = Policy("p", (Rule("allow", (Operator("or", (Criterion("accept"),)),)),))
    assert one == other
    assert hash(one) == hash(other)


@pytest.mark.parametrize(("one", "other"), [(1, True), (1, 1.0), (1, "1"), (None, False), ([1], [True])])
def test_data_of_different_json_types_is_different(one: object, other: object) -> None:
    assert Criterion("claim", "x", one) != Criterion("claim", "x", other)


def test_the_order_of_keys_carries_no_meaning() -> None:
    assert Criterion("email", data={"is": "a", "not": "b"}) == Criterion(
        "email", data={"not": "b", "is": "a"}
    )


def test_a_criterion_is_not_equal_to_anything_else() -> None:
    assert Criterion("accept") != ("accept", "", True)


def test_where_answers_the_nearest_enclosing_part() -> None:
    inner = Span("a.ppl", 4, 1)
    criterion = Criterion("email", data={"in": ["a"]}, span=HERE, parts={("in",): inner})
    assert criterion.where("in", 0) == inner
    assert criterion.where("not") == HERE


def test_the_key_is_joined_by_a_slash_only_where_there_is_a_sub_path() -> None:
    assert Criterion("claim", "a/b").key == "claim/a/b"
    assert Criterion("claim").key == "claim"


def test_nodes_that_no_text_could_write_are_refused() -> None:
    operator = Operator("or", (Criterion("accept"),))
    for build in (
        lambda: Operator("xor", (Criterion("accept"),)),
        lambda: Operator("or", ()),
        lambda: Rule("permit"),
        lambda: Rule("allow", (operator, operator)),
        lambda: Criterion("claim/groups"),
    ):
        with pytest.raises(ValueError, match=r"."):
            build()
