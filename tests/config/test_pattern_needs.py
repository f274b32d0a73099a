"""What is known of all matches of a regular expression."""

from __future__ import annotations

import pytest

from pomerium_tw.config.pattern_needs import bounds, holds, needs

ESCAPE = r"\\?%[0-9A-Fa-f]{2}"


@pytest.mark.parametrize(
    ("pattern", "held", "needed"),
    [
        ("/a%20b/.*", True, True),
        (r"/a\%20b", True, True),
        ("/(?P<name>caf%C3)/.*", True, True),
        ("/(?:%20|%2d)x", True, True),
        ("/%20{2,}x", True, True),
        ("/a(?:%20| )b", True, False),
        ("/a(%20)?b", True, False),
        ("/a%20?b", True, False),
        ("/%20{0}b", True, False),
        ("/%20|/x", True, False),
        ("/a[%]20b", False, False),
        ("/a[%20]b", False, False),
        (r"/a[\]%20]b", False, False),
        ("/a[]%20]b", False, False),
        ("/a[[:alpha:]%20]b", False, False),
        (r"/\\%20", True, True),
        (r"\Q%20\E", False, False),
        ("/a b", False, False),
    ],
)
def test_a_piece_is_held_by_the_pattern_and_perhaps_by_every_match(
    pattern: str, held: bool, needed: bool
) -> None:
    assert (holds(pattern, ESCAPE), needs(pattern, ESCAPE)) == (held, needed)


def test_a_backslash_before_another_escapes_nothing_else() -> None:
    assert needs(r"/a\?b", r"\\\?")
    assert not needs(r"/a\\?b", r"\\\?")


@pytest.mark.parametrize(
    ("pattern", "low", "high"),
    [("admin", b"admin", b"admin"), ("^/x$", b"/x", b"/x"), ("[a-c]", b"a", b"c"), (".*", b"", b"\xf4")],
)
def test_matches_lie_between_bounds(pattern: str, low: bytes, high: bytes) -> None:
    found = bounds(pattern)
    assert (found[0], found[1][: len(high)]) == (low, high)
