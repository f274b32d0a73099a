"""How often what a proxy might remember came again: computed from what was sent, not asked of the proxy."""

from __future__ import annotations

from typing import NamedTuple

from bench.heads import Head, Load

ASSERTION_SECONDS = 120.0
"""For this long pomerium_tw sends a caller's assertion for a host again before it signs a new one."""


class Hits(NamedTuple):
    """Shares of the requests, 0 to 1."""

    block: float
    """The connection had sent the same header lines just before."""
    caller: float
    """The process had met the caller before."""
    assertion: float
    """The caller's assertion for the host was young enough to be sent again."""


class History:
    """What one process has been sent since it started."""

    def __init__(self) -> None:
        self._callers: set[int] = set()
        self._signed: dict[tuple[int, str], float] = {}

    def play(
        self, load: Load, start: int, requests: int, at: float, seconds: float, connections: int
    ) -> Hits:
        """``requests`` requests of ``load`` from number ``start`` on were sent over new connections.

        ``at``: when they began, in seconds of any clock that stays the same. Requests are taken to be spread
        evenly over the time and to go to the connections in turn.
        """
        heads, total = load.heads, max(requests, 1)
        blocks = caller = assertion = 0
        last: list[Head | None] = [None] * connections
        for number in range(requests):
            head = heads[(start + number) % len(heads)]
            before = last[number % connections]
            blocks += before is not None and (before is head or before.block == head.block)
            last[number % connections] = head
            caller += head.session in self._callers
            self._callers.add(head.session)
            assertion += self._reused((head.session, head.host), at + seconds * number / total)
        return Hits(blocks / total, caller / total, assertion / total)

    def _reused(self, pair: tuple[int, str], now: float) -> bool:
        signed = self._signed.get(pair)
        if signed is not None and now - signed < ASSERTION_SECONDS:
            return True
        self._signed[pair] = now
        return False
