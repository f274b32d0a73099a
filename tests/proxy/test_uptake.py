from __future__ import annotations

from types import SimpleNamespace

import pytest

from pomerium_tw.proxy.uptake import MIN_TAKEN, Uptake


class Waiting:
    """A transport with so much in its buffer."""

    def __init__(self, size: int) -> None:
        self.hold(size)

    def hold(self, size: int) -> None:
        self.dataBuffer = b"x" * size


@pytest.mark.parametrize(
    ("sizes", "goes_on"),
    [
        ([100_000, 100_000], [False]),
        ([100_000, 100_000 - MIN_TAKEN], [True]),
        ([100_000, 100_001 - MIN_TAKEN], [False]),
        ([100_000, 150_000, 150_000], [True, False]),
        ([100_000, 80_000, 60_000, 59_999], [True, True, False]),
        ([100, 50], [False]),
        ([0, 0], [False]),
    ],
)
def test_a_client_is_waited_for_while_it_takes_enough(sizes: list[int], goes_on: list[bool]) -> None:
    transport = Waiting(sizes[0])
    uptake = Uptake(transport)
    said = []
    for size in sizes[1:]:
        transport.hold(size)
        said.append(uptake.goes_on(transport))
    assert said == goes_on


@pytest.mark.parametrize(
    ("steps", "goes_on"),
    [
        ([(1, 0), (0, 0)], [True, False]),
        ([(1, 1), (0, 0)], [True, False]),
        ([(MIN_TAKEN, 100), (MIN_TAKEN, 100), (MIN_TAKEN - 1, 100)], [True, True, False]),
        ([(100, 100), (100, 150)], [True, True]),
    ],
)
def test_what_is_written_meanwhile_counts_as_taken_when_it_is_gone(
    steps: list[tuple[int, int]], goes_on: list[bool]
) -> None:
    """``steps``: bytes written since the look before, and what is left of all."""
    transport, answer = Waiting(0), SimpleNamespace(sent=500)
    uptake = Uptake(transport, answer)
    said = []
    for written, left in steps:
        answer.sent += written
        transport.hold(left)
        said.append(uptake.goes_on(transport))
    assert said == goes_on
