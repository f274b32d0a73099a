"""If-None-Match."""

from __future__ import annotations

import pytest

from pomerium_tw.pages.conditional import MAX_CONDITION_BYTES, matches


@pytest.mark.parametrize(
    ("value", "matched"),
    [
        (None, False),
        (b"", False),
        (b'"a"', True),
        (b'W/"a"', True),
        (b'"b","a"', True),
        (b'"b" ,\t"a"', True),
        (b"*", True),
        (b'*, "b"', False),
        (b"a", False),
        (b'"A"', False),
    ],
)
def test_a_condition_names_the_tag_or_any(value: bytes | None, matched: bool) -> None:
    assert matches(value, b'"a"') is matched


def test_a_condition_that_is_too_long_counts_as_absent() -> None:
    fits = b'"a"'.rjust(MAX_CONDITION_BYTES, b",")
    assert matches(fits, b'"a"')
    assert not matches(b"," + fits, b'"a"')
