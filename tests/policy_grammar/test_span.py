from __future__ import annotations

from policy_grammar import NOWHERE, Span, nearest


def test_a_span_reads_as_editors_expect() -> None:
    assert str(Span("a.ppl", 3, 7)) == "a.ppl:3:7"
    assert str(Span("environment POLICY")) == "environment POLICY"
    assert str(NOWHERE) == ""


def test_nearest_offers_close_words_only() -> None:
    assert nearest("alow", ["allow", "deny"]) == "allow"
    assert nearest("xyzzy", ["allow", "deny"]) is None
