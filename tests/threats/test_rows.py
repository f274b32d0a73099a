"""No row of the threat table is without a test."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import ROW

HERE = Path(__file__).parent
COUNTS = {
    "SM": [*range(1, 20), *range(22, 27)],
    "HS": range(1, 20),
    "PN": range(1, 19),
    "WS": range(1, 8),
    "DO": [*range(1, 6), 9],
    "SS": [*range(1, 6), 7],
}
"""Rows of the HTTP/1.1 data path; those that are not here wait for HTTP/2, SSH or the console."""
ROWS = [f"{kind}-{number:02}" for kind, numbers in COUNTS.items() for number in numbers]


@pytest.fixture(scope="module")
def shown() -> set[str]:
    """The rows that tests name, as a run by itself would collect them.

    Properties of one function stand beside it, in tests/proxy.
    """
    listed = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-q", str(HERE), str(HERE.parent / "proxy")],
        cwd=HERE.parent.parent,
        capture_output=True,
        text=True,
        check=True,
    )
    names = [line.partition("::")[2] for line in listed.stdout.splitlines() if "test_rows.py" not in line]
    return {f"{kind}-{number}".upper() for name in names for kind, number in ROW.findall(name)}


@pytest.mark.parametrize("row", ROWS)
def test_every_row_has_a_test(shown: set[str], row: str) -> None:
    assert row in shown
