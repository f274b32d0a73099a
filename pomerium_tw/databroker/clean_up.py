"""The loop that keeps a store from growing, once for all processes (spec/identity §12.3)."""

from __future__ import annotations

from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from .errors import LeaseTaken, StoreUnavailable
from .interfaces import IRecordStore

log = Logger("pomerium.databroker")

INTERVAL = 60.0
"""Seconds between clean-ups."""

LEASE_NAME = "databroker_clean_up"

LEASE_DURATION = INTERVAL / 2
"""Seconds in which no other process cleans up. Not the whole interval: the next turn must find it free."""


class CleanUp:
    """Cleans ``store`` up every INTERVAL seconds, unless another process has just done so."""

    def __init__(self, store: IRecordStore, clock: IReactorTime) -> None:
        self._store = store
        self._loop = LoopingCall(self._turn)
        self._loop.clock = clock

    def start(self) -> None:
        """The first turn comes at once."""
        self._loop.start(INTERVAL)

    def stop(self) -> None:
        """Ends the loop; a turn under way ends by itself, or with the store."""
        self._loop.stop()

    async def _turn(self) -> None:
        try:
            await self._store.acquire_lease(LEASE_NAME, LEASE_DURATION)
            removed = await self._store.clean_up()
        except LeaseTaken:
            return
        except StoreUnavailable as error:
            if not self._loop.running:
                return
            log.warn(
                "the databroker was not cleaned up, the next try is in {wait:g} s: {error}",
                wait=INTERVAL,
                error=error,
            )
            return
        except Exception:
            log.failure("the databroker was not cleaned up")
            return
        log.debug("the databroker was cleaned up: {removed}", removed=removed)
