from __future__ import annotations

import pytest
import re2
from hypothesis import given
from hypothesis import strategies as st

from pomerium_tw.proxy import patterns
from pomerium_tw.proxy.patterns import Patterns, literal_start


def test_the_first_in_the_order_given_and_all_that_match() -> None:
    found = Patterns([("/x", "x"), ("/a.*", "a"), ("/a/b", "ab"), (".*", "all")])
    assert found.first("/a/b") == "a"
    assert found.matching("/a/b") == ["a", "ab", "all"]
    assert found.first("/é") == "all"
    assert Patterns([("/x", 1)]).first("/x/") is None


@pytest.mark.parametrize("memory", [1, 20_000])
def test_patterns_too_large_for_one_automaton_are_tried_in_turn(
    memory: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patterns, "MAX_AUTOMATON_BYTES", memory)
    found = Patterns([(f".*[a-z]+{at}.*[0-9]*y", at) for at in range(100)])
    assert found.matching("/a7y") == [7]
    assert found.first("/a7y/b3y") == 3


@pytest.mark.parametrize(
    ("pattern", "start"),
    [
        ("/api/[a-z]+/x", "/api/"),
        ("/api/v[12]/x", "/api/v"),
        ("/a|/b", "/"),
        ("(?i)/ab", "/"),
        ("/a\\.b/.*", "/a.b/"),
        ("/x?y", "/"),
        ("/é+", "/é"),
        ("/(é|è)", "/"),
        (".*", ""),
        ("", ""),
    ],
)
def test_what_every_match_begins_with(pattern: str, start: str) -> None:
    assert literal_start(pattern) == start


PIECES = st.lists(
    st.sampled_from(["/", "a", "b", "(a|b)", "|", "x*", "x?", "[ab]", ".", "(?i)a", "a{0,2}", "é"])
)


@given(PIECES.map("".join), st.text("/abxéA", max_size=6))
def test_no_match_begins_otherwise(pattern: str, text: str) -> None:
    found = Patterns([(pattern, True)])
    matches = re2.compile(pattern).fullmatch(text) is not None
    assert (found.first(text) is not None) is matches
    if matches:
        assert text.startswith(literal_start(pattern))
