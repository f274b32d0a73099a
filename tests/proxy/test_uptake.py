from __future__ import annotations

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
