from __future__ import annotations

import pytest
import re2
from hypothesis import given
from hypothesis import strategies as st
from twisted.logger import LogEvent, LogLevel, formatEvent, globalLogPublisher

from pomerium_tw.proxy import patterns
from pomerium_tw.proxy.patterns import Patterns, literal_start


def test_the_first_in_the_order_given_and_all_that_match() -> None:
    found = Patterns([("/x", "x"), ("/a.*", "a"), ("/a/b", "ab"), (".*", "all")])
    assert found.first("/a/b") == "a"
    assert found.matching("/a/b") == ["a", "ab", "all"]
    assert found.first("/é") == "all"
    assert Patterns([("/x", 1)]).first("/x/") is None


LARGE = [(f".*[a-z]+{at}.*[0-9]*y", at) for at in range(100)]


@pytest.mark.parametrize("memory", [1, 20_000, 80_000])
def test_patterns_too_large_for_one_automaton_are_asked_in_parts(
    memory: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patterns, "MAX_AUTOMATON_BYTES", memory)
    events: list[LogEvent] = []
    globalLogPublisher.addObserver(events.append)
    try:
        found = Patterns(LARGE)
    finally:
        globalLogPublisher.removeObserver(events.append)
    assert found.matching("/a7y") == [7]
    assert found.matching("/a7y/b93y") == [7, 9, 93]
    assert found.first("/b93y/a7y") == 7
    assert found.first("/") is None
    (event,) = events
    assert event["log_level"] is LogLevel.warn
    assert (
        f"100 large regular expressions do not fit into one automaton and are asked in {event['parts']}"
        in (formatEvent(event))
    )
    assert LARGE[0][0] in formatEvent(event)


class FullAutomaton:
    """One whose memory is used up: it finds nothing, not even what matches everything."""

    def Match(self, text: str) -> list[int]:
        return []


def test_what_an_automaton_cannot_say_its_patterns_say_and_they_are_compiled_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    compiled = []

    def compile_one(pattern: str, options: object) -> object:
        compiled.append(pattern)
        return re2_compile(pattern, options)

    re2_compile = re2.compile
    monkeypatch.setattr(patterns, "_joined", lambda _patterns: FullAutomaton())
    monkeypatch.setattr(patterns.re2, "compile", compile_one)
    found = Patterns(LARGE)
    assert compiled == []
    assert [found.first("/a7y"), found.first("/a8y/a7y"), found.first("/")] == [7, 7, None]
    assert compiled == [pattern for pattern, _ in LARGE]


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
