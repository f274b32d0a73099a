from __future__ import annotations

from policy_grammar import PolicySyntaxError, Span
from policy_grammar.errors import WINDOW


def test_shows_place_line_caret_and_hint() -> None:
    error = PolicySyntaxError(
        "unknown action: alow", Span("a.ppl", 2, 5), "did you mean 'allow'?", "    alow or {"
    )
    assert str(error) == "a.ppl:2:5: unknown action: alow\n      alow or {\n      ^\n  did you mean 'allow'?"


def test_without_a_place_only_the_message_is_shown() -> None:
    assert str(PolicySyntaxError("wrong", Span(""))) == "wrong"
    assert str(PolicySyntaxError("wrong", Span("environment POLICY"))) == "environment POLICY: wrong"


def test_with_source_finds_the_line() -> None:
    error = PolicySyntaxError("wrong", Span("a.ppl", 2, 1)).with_source("one\ntwo\nthree")
    assert error.source_line == "two"
    assert PolicySyntaxError("wrong", Span("a.ppl", 9, 1)).with_source("one").source_line == ""


def test_a_very_long_line_is_cut_around_the_caret() -> None:
    line = "a" * 5000 + "X" + "b" * 5000
    shown, caret = str(PolicySyntaxError("wrong", Span("a.ppl", 1, 5001), "", line)).splitlines()[1:]
    assert len(shown) <= WINDOW + 2
    assert shown[caret.index("^")] == "X"


def test_control_characters_of_the_source_do_not_reach_the_terminal() -> None:
    text = str(PolicySyntaxError("wrong", Span("a.ppl", 1, 3), "", "\t\x1b[2Jx"))
    assert "\x1b" not in text
    assert "\t" not in text
