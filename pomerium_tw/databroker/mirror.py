"""The copy in memory that answers the fast path without a Deferred (DESIGN §1)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, TypeVar

from twisted.internet import defer
from twisted.internet.defer import CancelledError, Deferred, fail, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.python.failure import Failure

from .errors import StaleVersion, StoreUnavailable
from .interfaces import IRecordStore, Snapshot
from .listeners import Listeners
from .records import Record

log = Logger("pomerium.databroker")

_R = TypeVar("_R")

CHECK_INTERVAL = 5.0
"""Seconds without a ring after which the store is asked all the same: is it there, was a ring lost?"""

CALL_LIMIT = 15.0
"""Seconds until a call of the store counts as failed."""

FIRST_RETRY = 0.1
"""Seconds of the first wait after a failure; each further one doubles it."""

LONGEST_RETRY = 10.0
"""Seconds that no wait after a failure exceeds."""

MAX_DOUBLINGS = 20
"""Enough to reach LONGEST_RETRY, and few enough for the power of two to stay a float."""

STALE_LIMIT = 30.0
"""Seconds since the store was last heard from after which the copy is not trusted any more."""

WAIT_LIMIT = 10.0
"""Seconds that :meth:`Mirror.wait_for` waits."""


class Mirror:
    """All present records of some types, kept up to date by the store's change feed.

    **Fail closed.** Until the first load the mirror is unavailable: readers get StoreUnavailable, never "no
    such record". When the store fails later, the copy goes on serving, so that a hiccup signs nobody out;
    after STALE_LIMIT seconds (seen at the next failure, LONGEST_RETRY + CALL_LIMIT seconds later at worst) it
    is unavailable again, for a revocation might have been missed. It recovers by itself. ``healthy`` turns
    false with the first failure.

    Records are as stored: expired sessions stay until somebody deletes them; to see that is the reader's job.
    """

    def __init__(self, store: IRecordStore, types: Sequence[str], clock: IReactorTime) -> None:
        if not types:
            raise ValueError("a mirror needs at least one record type")
        self._store = store
        self._types = tuple(types)
        self._feed = types[0] if len(types) == 1 else ""
        self._clock = clock
        self._copy: dict[str, dict[str, Record]] = {record_type: {} for record_type in types}
        self._readable = False
        self._healthy = False
        self._stopped = False
        self._loaded = False
        self._server_version = 0
        self._version = 0
        self._heard_at = clock.seconds()
        self._failures = 0
        self._rung = False
        self._nap: Deferred[None] | None = None
        self._waiting: Deferred[Any] | None = None
        self._unsubscribe: Callable[[], None] = lambda: None
        self._starters: list[Deferred[None]] = []
        self._waiters: dict[Deferred[None], int] = {}
        self._listeners: Listeners[Record] = Listeners()

    def start(self) -> Deferred[None]:
        """Begins to load and follow; fires with the first complete copy, however long the store fails before.

        To be called once. Fails with StoreUnavailable when :meth:`stop` comes first.
        """
        loaded: Deferred[None] = Deferred()
        self._starters.append(loaded)
        self._unsubscribe = self._store.subscribe(self._ring)
        Deferred.fromCoroutine(self._follow()).addErrback(self._broke)
        return loaded

    def stop(self) -> None:
        """Ends the following; the mirror is unavailable from now on."""
        self._stopped = True
        self._readable = self._healthy = False
        self._unsubscribe()
        if self._waiting is not None:
            self._waiting.cancel()
        gone = StoreUnavailable("the databroker's mirror is stopped")
        starters, self._starters = self._starters, []
        for waiter in (*starters, *self._waiters):
            waiter.errback(gone)

    @property
    def available(self) -> bool:
        """Whether :meth:`get` answers. Whoever keeps things made of records must look here too."""
        return self._readable

    @property
    def healthy(self) -> bool:
        """The copy is loaded, and the last call of the store went well."""
        return self._healthy

    @property
    def server_version(self) -> int:
        """The life of the data set that the copy is of; 0 before the first load."""
        return self._server_version

    @property
    def version(self) -> int:
        """The newest record version that the copy holds."""
        return self._version

    def get(self, record_type: str, record_id: str) -> Record | None:
        """The record, or None if there is none. Raises StoreUnavailable; KeyError for a type not mirrored."""
        self._check_readable()
        return self._copy[record_type].get(record_id)

    def records(self, record_type: str) -> Mapping[str, Record]:
        """A live view of all records of a type by id; copy it to keep it. Raises as :meth:`get`."""
        self._check_readable()
        return MappingProxyType(self._copy[record_type])

    def on_change(self, listener: Callable[[Record], None]) -> Callable[[], None]:
        """Calls ``listener`` with each record after it changed in the copy; answers the way out.

        Deletions come as records with ``deleted_at``. A load, the first too, tells every difference.
        """
        return self._listeners.add(listener)

    def wait_for(self, version: int) -> Deferred[None]:
        """Fires when the copy holds this version; fails with StoreUnavailable after WAIT_LIMIT seconds."""
        if self._stopped:
            return fail(StoreUnavailable("the databroker's mirror is stopped"))
        if self._readable and self._version >= version:
            return succeed(None)
        waiter: Deferred[None] = Deferred()
        self._waiters[waiter] = version
        waiter.addTimeout(WAIT_LIMIT, self._clock)
        waiter.addBoth(self._waited, waiter, version)
        self._ring(version)
        return waiter

    def _waited(self, result: _R, waiter: Deferred[None], version: int) -> _R:
        del self._waiters[waiter]
        if isinstance(result, Failure) and isinstance(result.value, defer.TimeoutError):
            raise StoreUnavailable(
                f"the databroker's change {version} did not arrive within {WAIT_LIMIT:g} seconds; try again"
            )
        return result

    def _check_readable(self) -> None:
        if not self._readable:
            raise StoreUnavailable(
                "the databroker is unavailable: its records are not loaded or too old to be trusted"
            )

    # Following

    async def _follow(self) -> None:
        while not self._stopped:
            try:
                await self._catch_up()
            except Exception as error:  # any failure of any store: the loop must outlive it
                if not self._stopped:
                    await self._failed(error)
            else:
                self._succeeded()
                await self._rest(CHECK_INTERVAL)

    async def _catch_up(self) -> None:
        self._rung = False
        if not self._loaded:
            await self._load()
        try:
            await self._apply_changes()
        except StaleVersion as stale:
            log.info("the databroker's mirror loads everything anew: {reason}", reason=stale)
            await self._load()
            await self._apply_changes()

    async def _load(self) -> None:
        snapshot: Snapshot = await self._call(self._store.latest(self._feed))
        fresh: dict[str, dict[str, Record]] = {record_type: {} for record_type in self._types}
        for record in snapshot.records:
            if record.type in fresh:
                fresh[record.type][record.id] = record
        old, self._copy = self._copy, fresh
        self._loaded = True
        self._heard(snapshot.server_version, snapshot.record_version)
        for record in _differences(old, fresh, self._clock.seconds()):
            self._listeners.tell(record)
        self._settle()

    async def _apply_changes(self) -> None:
        more = True
        while more:
            page = await self._call(self._store.changes(self._server_version, self._version, self._feed))
            for record in page.records:
                self._apply(record)
            self._heard(page.server_version, page.record_version)
            self._settle()
            more = page.more

    def _apply(self, record: Record) -> None:
        of_type = self._copy.get(record.type)
        if of_type is None:
            return
        if record.deleted_at is None:
            of_type[record.id] = record
        else:
            of_type.pop(record.id, None)
        self._listeners.tell(record)

    def _heard(self, server_version: int, record_version: int) -> None:
        self._server_version = server_version
        self._version = record_version
        self._heard_at = self._clock.seconds()
        self._readable = self._healthy = not self._stopped

    def _settle(self) -> None:
        """Fires what was waiting for the copy as it is now."""
        starters, self._starters = self._starters, []
        reached = [waiter for waiter, version in self._waiters.items() if version <= self._version]
        for waiter in (*starters, *reached):
            waiter.callback(None)

    def _succeeded(self) -> None:
        if self._failures:
            log.info("the databroker answers again")
        self._failures = 0

    async def _failed(self, error: Exception) -> None:
        if not self._failures:
            log.warn("the databroker fails, it is tried again until it answers: {error}", error=error)
        self._healthy = False
        if self._readable and self._clock.seconds() - self._heard_at >= STALE_LIMIT:
            self._readable = False
            log.error(
                "the databroker was not heard for {limit:g} seconds: access is denied", limit=STALE_LIMIT
            )
        delay = min(FIRST_RETRY * 2.0 ** min(self._failures, MAX_DOUBLINGS), LONGEST_RETRY)
        self._failures += 1
        await self._wait(deferLater(self._clock, delay))

    def _ring(self, _version: int) -> None:
        self._rung = True
        if self._nap is not None:
            self._nap.cancel()

    async def _rest(self, seconds: float) -> None:
        """Waits, until the bell rings at the latest."""
        if self._rung or self._stopped:
            return
        self._nap = deferLater(self._clock, seconds)
        try:
            await self._wait(self._nap)
        except CancelledError:
            pass
        finally:
            self._nap = None

    async def _call(self, answer: Deferred[_R]) -> _R:
        return await self._wait(answer.addTimeout(CALL_LIMIT, self._clock))

    async def _wait(self, deferred: Deferred[_R]) -> _R:
        """Awaits what :meth:`stop` may have to cancel."""
        self._waiting = deferred
        try:
            return await deferred
        finally:
            self._waiting = None

    def _broke(self, failure: Failure) -> None:
        if not self._stopped:
            log.failure("the databroker's mirror stopped following: this is a bug", failure)
            self.stop()


def _differences(
    old: Mapping[str, Mapping[str, Record]], new: Mapping[str, Mapping[str, Record]], now: float
) -> list[Record]:
    """The records of ``new`` that are not as in ``old``, after deletions of those that are gone."""
    gone = [
        record.deletion(now)
        for record_type, records in old.items()
        for record_id, record in records.items()
        if record_id not in new[record_type]
    ]
    changed = [
        record
        for record_type, records in new.items()
        for record_id, record in records.items()
        if old[record_type].get(record_id) != record
    ]
    return gone + changed
