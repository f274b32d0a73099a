"""Comments survive: none is lost, doubled or moved past another one."""

from __future__ import annotations

from collections import Counter
from textwrap import dedent

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policy_grammar import (
    Comments,
    Document,
    comment_lines,
    parse_document,
    to_text,
)

from .commented import documents, sprinkled


@settings(deadline=None)
@given(documents(commented=False), st.integers(0, 2**32))
def test_comments_anywhere_in_a_text_are_kept_and_change_nothing_else(document: Document, seed: int) -> None:
    text, put = sprinkled(to_text(document), seed)
    read = parse_document(text, "t.ppl")
    assert read == document
    assert comment_lines(read) == put
    formatted = to_text(read)
    again = parse_document(formatted, "t.ppl")
    assert again == document
    assert Counter(comment_lines(again)) == Counter(put)
    assert to_text(again) == formatted


@settings(deadline=None)
@given(documents())
def test_comments_of_any_tree_are_written_and_read_back_in_their_order(document: Document) -> None:
    text = to_text(document)
    again = parse_document(text, "t.ppl")
    assert again == document
    assert comment_lines(again) == comment_lines(document)
    assert to_text(again) == text


def formatted(text: str) -> str:
    return to_text(parse_document(dedent(text), "t.ppl"))


def test_comments_keep_their_place() -> None:
    text = """\
    # license

    # what all share
    include "common.ppl" # shared

    # staff
    policy "p" { # head
        # first rule

        # of it
        allow or { # rule
            # criterion
            domain is "a.com" # beside
            email in [ # list
                # item
                "a", # a
                "b",
                # end of list
            ] # list closed
            claim/x { # block
                # entry
                has "y" # has
                # end of block
            }
            # end of operator
        } # rule closed
        deny { # long
            # operator
            and { # and
                accept
            } # and closed
            # end of rule
        }
        # end of policy
    } # policy closed

    # end of all
    """
    assert formatted(text) == dedent(text)


def test_what_is_written_on_one_line_keeps_its_comment_on_the_first() -> None:
    assert formatted("policy { allow or { a; b } } # c") == (
        "policy { # c\n    allow or {\n        a\n        b\n    }\n}\n"
    )
    assert (
        formatted('policy { allow or { a in [ # c\n "b"\n] } }').splitlines()[2] == '        a in ["b"] # c'
    )


def test_comments_of_what_the_tree_leaves_out_stay() -> None:
    text = "policy {\n allow { # a\n and { # b\n # c\n } # d\n or {} # e\n }\n deny or { # f\n }\n}"
    assert formatted(text) == (
        "policy {\n    allow { # a\n        # b\n        # c\n        # d\n        # e\n    }\n"
        "    deny {} # f\n}\n"
    )


def test_comments_do_not_count_where_trees_are_compared() -> None:
    assert parse_document("policy {} # a", "a") == parse_document("policy {}", "b")


@pytest.mark.parametrize("line", ["no sign", "# a\nb", "# a\rb", "# \x00", "# \ud800", "# \u2028", " # a"])
def test_a_comment_that_a_text_could_not_carry_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match="a comment is one line"):
        Comments(before=(line,))
