"""If-None-Match."""

from __future__ import annotations

import pytest

from pomerium_tw.pages.conditional import matches


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
