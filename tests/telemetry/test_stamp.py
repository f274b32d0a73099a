"""Times in log lines."""

from __future__ import annotations

import pytest

from pomerium_tw.telemetry import Stamp


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "1970-01-01T00:00:00.000Z"),
        (1_769_903_999.9996, "2026-01-31T23:59:59.999Z"),
        (1_769_904_000.0, "2026-02-01T00:00:00.000Z"),
        (1_709_164_800.25, "2024-02-29T00:00:00.250Z"),
    ],
)
def test_times_are_rfc_3339_in_utc_with_milliseconds(seconds: float, text: str) -> None:
    assert Stamp()(seconds) == text


def test_the_kept_second_is_not_used_for_another() -> None:
    stamp = Stamp()
    assert [stamp(second) for second in (1.5, 2.0, 1.75)] == [
        "1970-01-01T00:00:01.500Z",
        "1970-01-01T00:00:02.000Z",
        "1970-01-01T00:00:01.750Z",
    ]
