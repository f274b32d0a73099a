"""Comments of YAML policies: each is found, and finds its node."""

from __future__ import annotations

import json
import random
from textwrap import dedent

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from policy_grammar import (
    Document,
    Found,
    PolicySyntaxError,
    comment_lines,
    parse_document,
    parse_document_data,
    to_document_data,
    to_text,
    to_yaml,
)
from pomerium_tw.config.problem import ConfigError
from pomerium_tw.config.yaml_layout import has_anchors, read_layout
from pomerium_tw.config.yaml_source import read_yaml
from tests.policy_grammar.commented import documents


def read(text: str) -> Document:
    return parse_document_data(read_yaml(text, "t.yaml").data, layout=read_layout(text))


def comments(text: str) -> list[str]:
    return [found.text for found in read_layout(text).comments]


def writable(document: Document) -> bool:
    """No text in it holds half of a surrogate pair."""
    try:
        to_yaml(document)
    except PolicySyntaxError:
        return False
    return True


@settings(deadline=None)
@given(documents().filter(writable))
def test_tree_to_yaml_to_tree_is_loss_free_and_yaml_a_fixed_point(document: Document) -> None:
    text = to_yaml(document)
    again = read(text)
    assert again == document
    assert comment_lines(again) == comment_lines(document)
    assert to_yaml(again) == text


@settings(deadline=None)
@given(documents().filter(writable))
def test_text_to_yaml_to_text_keeps_tree_and_comments(document: Document) -> None:
    from_text = parse_document(to_text(document), "t.ppl")
    from_yaml = read(to_yaml(from_text))
    back = parse_document(to_text(from_yaml), "t.ppl")
    assert back == from_yaml == document
    assert comment_lines(back) == comment_lines(from_yaml) == comment_lines(document)


def sprinkled(text: str, seed: int) -> tuple[str, list[str]]:
    """A YAML text of one-line scalars with comments beside and between its lines, and these comments."""
    chance, put, lines = random.Random(seed), [], []  # noqa: S311 (no secret)

    def comment() -> str:
        put.append(chance.choice(["# one", "#two", "# {", '# "', "#", "# - a: 1"]))
        return put[-1] + chance.choice(["", "  "])

    for line in text.splitlines():
        while chance.random() < 0.3:
            lines.append(" " * chance.randrange(16) + comment() + chance.choice(["", "\n"]))
        lines.append(line if chance.random() < 0.6 else f"{line} {comment()}")
    while chance.random() < 0.5:
        lines.append(" " * chance.randrange(16) + comment())
    return "\n".join(lines) + chance.choice(["", "\n"]), put


def is_the_same(text: str, document: Document) -> bool:
    """Not all JSON is YAML: plain numbers have a largest one, and some characters are refused."""
    try:
        return read(text) == document
    except ConfigError:
        return False


@settings(deadline=None)
@given(documents(commented=False).filter(writable), st.booleans(), st.integers(0, 2**32))
def test_comments_anywhere_in_yaml_are_kept_and_change_nothing_else(
    document: Document, block: bool, seed: int
) -> None:
    plain = (
        to_yaml(document) if block else json.dumps(to_document_data(document), indent=2, ensure_ascii=False)
    )
    assume(block or is_the_same(plain, document))
    text, put = sprinkled(plain, seed)
    found = read(text)
    assert found == document
    assert comments(text) == put
    assert comment_lines(found) == put
    formatted = to_yaml(found)
    again = read(formatted)
    assert again == document
    assert comment_lines(again) == put
    assert to_yaml(again) == formatted


def formatted(text: str) -> str:
    return to_yaml(read(dedent(text)))


def test_a_comment_below_a_block_belongs_where_it_is_indented() -> None:
    text = """\
    - allow:
        or:
          - user: a
          # - user: b
        # of the rule
    # of the next one
    - deny:
        or:
          - reject: true
    # of the policy
    """
    assert formatted(text) == dedent(text)


def test_lists_that_are_not_indented_are_read_as_well() -> None:
    text = "allow:\n  or:\n  - user: a # one\n  # last\n  - user: b\n"
    assert formatted(text) == ("- allow:\n    or:\n      - user: a # one\n      # last\n      - user: b\n")


def test_brackets_over_several_lines_keep_what_is_said_in_them() -> None:
    text = """\
    # license

    [ # top
      {allow: {or: [ # open
        {user: a}, # beside
        # below
      ]}}, # end
    ]
    """
    assert comment_lines(read(dedent(text))) == [
        "# license",
        "# top",
        "# open",
        "# beside",
        "# below",
        "# end",
    ]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a: '# no' # yes", ["# yes"]),
        ('a: "x # no" # yes', ["# yes"]),
        ("a: b#no # yes", ["# yes"]),
        ("a: | # head\n  # no\n  x\n# yes", ["# head", "# yes"]),
        ("a: >-\n  x # no\n  # no\n# yes\nb: 1", ["# yes"]),
        ("a: 'x\n  # no\n  y' # yes", ["# yes"]),
        ("# one\n--- # two\na: 1\n... # three", ["# one", "# two", "# three"]),
        ("%YAML 1.1 # one\n---\n&x a: *x # two", ["# one", "# two"]),
        ("a: &x # one\n  b: 1\nc: !!map # two\n  <<: *x # three", ["# one", "# two", "# three"]),
        ("a: 1 # one\r\n# two\r\nb: 2", ["# one", "# two"]),
        ("# é\u2028a: '\U0001f600' # yes", ["# é", "# yes"]),
        ("? a # one\n: b # two", ["# one", "# two"]),
    ],
)
def test_only_comments_are_taken_for_comments(text: str, found: list[str]) -> None:
    read_yaml(text, "t.yaml")
    assert comments(text) == found


def test_places_of_comments_are_lines_and_columns() -> None:
    assert read_layout("é: '\U0001f600' # a\n\n\n  # b\n\nx: 1\n").comments == (
        Found((1, 8), "# a", True),
        Found((4, 3), "# b", True),
    )


def test_anchors_are_told_from_their_sign_in_texts() -> None:
    assert has_anchors("a: &x 1\nb: *x\n")
    assert not has_anchors("a: 'x & y' # &x\nb: R&D\n")


def test_comments_of_a_value_that_is_used_twice_are_kept_once() -> None:
    text = "- allow: &x # one\n    or: # two\n      - user: a # three\n- deny: *x # four\n"
    assert comment_lines(read(text)) == ["# one", "# two", "# three", "# four"]


def test_a_comment_further_right_does_not_overtake_the_one_above_it() -> None:
    text = "- allow:\n    or:\n      - user: a\n# one\n      # two\n- deny: {}\n"
    assert comment_lines(read(text)) == ["# one", "# two"]
