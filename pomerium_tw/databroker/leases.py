"""What all stores hold of leases: a name that one at a time may hold, for a while (spec/identity §12.3)."""

from __future__ import annotations

from collections.abc import Callable

LEASE_ID_SIZE = 16
"""Random bytes of a lease's id: nobody else can renew or release it."""

MAX_LEASE_DURATION = 3_600.0
"""Seconds; a holder that dies blocks its name no longer than this."""


def new_lease_id(random: Callable[[int], bytes]) -> str:
    return random(LEASE_ID_SIZE).hex()


def check_duration(duration: float) -> None:
    """Raises ValueError for a duration that no lease may have."""
    if not 0 < duration <= MAX_LEASE_DURATION:
        raise ValueError(
            f"a lease lasts more than 0 and at most {MAX_LEASE_DURATION:g} seconds, not {duration}"
        )
