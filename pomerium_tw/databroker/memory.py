"""A store that lives and dies with the process: tests, and `databroker_storage_type: memory`."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from typing import Any, NamedTuple

from twisted.internet.interfaces import IReactorTime
from zope.interface import implementer

from .answers import answered
from .errors import (
    LeaseTaken,
    RecordNotFound,
    StoreUnavailable,
    invalid_record_version,
    invalid_server_version,
)
from .interfaces import (
    CHANGE_LIFETIME,
    CHANGE_LIMIT,
    CHANGES_PAGE,
    NO_FILTER,
    QUERY_LIMIT,
    Changes,
    CleanedUp,
    Found,
    IRecordStore,
    Snapshot,
    Written,
)
from .leases import check_duration, new_lease_id
from .listeners import Listeners
from .query import check_page, select
from .records import SESSION, Record, check_name, checked, expiry
from .versions import new_server_version


class _Lease(NamedTuple):
    id: str
    expires_at: float


@implementer(IRecordStore)
class MemoryStore:
    """:class:`IRecordStore` in dictionaries. One process only: it forces ``workers: 1`` (DESIGN §7.1)."""

    def __init__(
        self,
        clock: IReactorTime,
        random: Callable[[int], bytes] = os.urandom,
        *,
        change_limit: int = CHANGE_LIMIT,
    ) -> None:
        self._clock = clock
        self._random = random
        self._change_limit = change_limit
        self._open = False
        self._server_version = new_server_version(random)
        self._record_version = 0
        self._records: dict[str, dict[str, Record]] = {}
        self._log: list[Record] = []  # versions without a gap, the last one is _record_version
        self._leases: dict[str, _Lease] = {}
        self._listeners: Listeners[int] = Listeners()

    @answered
    def start(self) -> None:
        self._open = True

    @answered
    def stop(self) -> None:
        self._open = False

    @answered
    def put(self, records: Sequence[Record]) -> Written:
        self._check_open()
        written = self._write(records)
        return Written(self._server_version, self._record_version, written)

    @answered
    def patch(self, record_type: str, record_id: str, fields: Mapping[str, Any]) -> Record:
        record = self._present(record_type, record_id)
        (written,) = self._write([replace(record, data={**record.data, **fields})])
        return written

    @answered
    def get(self, record_type: str, record_id: str) -> Record:
        return self._present(record_type, record_id)

    @answered
    def query(
        self,
        record_type: str,
        text: str = "",
        where: Mapping[str, Any] = NO_FILTER,
        offset: int = 0,
        limit: int = QUERY_LIMIT,
    ) -> Found:
        self._check_open()
        check_page(offset, limit)
        of_type = self._records.get(record_type, {})
        page, total = select((of_type[key] for key in sorted(of_type)), text, where, offset, limit)
        return Found(self._server_version, self._record_version, page, total)

    @answered
    def latest(self, record_type: str = "") -> Snapshot:
        self._check_open()
        chosen = [self._records.get(record_type, {})] if record_type else self._records.values()
        records = tuple(chain.from_iterable(of_type.values() for of_type in chosen))
        return Snapshot(self._server_version, self._record_version, records)

    @answered
    def changes(self, server_version: int, record_version: int, record_type: str = "") -> Changes:
        self._check_open()
        if server_version != self._server_version:
            raise invalid_server_version()
        before_log = self._record_version - len(self._log)
        if not before_log <= record_version <= self._record_version:
            raise invalid_record_version()
        page: list[Record] = []
        for change in self._log[record_version - before_log :]:
            if record_type in ("", change.type):
                if len(page) == CHANGES_PAGE:
                    return Changes(self._server_version, page[-1].version, tuple(page), more=True)
                page.append(change)
        return Changes(self._server_version, self._record_version, tuple(page), more=False)

    def subscribe(self, listener: Callable[[int], None]) -> Callable[[], None]:
        return self._listeners.add(listener)

    @answered
    def acquire_lease(self, name: str, duration: float) -> str:
        self._check_open()
        check_name("lease name", name)
        check_duration(duration)
        now = self._clock.seconds()
        held = self._leases.get(name)
        if held is not None and held.expires_at > now:
            raise LeaseTaken(name)
        self._leases[name] = _Lease(new_lease_id(self._random), now + duration)
        return self._leases[name].id

    @answered
    def renew_lease(self, name: str, lease_id: str, duration: float) -> None:
        self._check_open()
        check_duration(duration)
        now = self._clock.seconds()
        held = self._leases.get(name)
        if held is None or held.id != lease_id or held.expires_at <= now:
            raise LeaseTaken(name)
        self._leases[name] = _Lease(lease_id, now + duration)

    @answered
    def release_lease(self, name: str, lease_id: str) -> None:
        self._check_open()
        held = self._leases.get(name)
        if held is not None and held.id == lease_id:
            del self._leases[name]

    @answered
    def clean_up(self) -> CleanedUp:
        self._check_open()
        now = self._clock.seconds()
        sessions = self._delete_expired(now)
        changes = self._forget_changes(now)
        lapsed = [name for name, lease in self._leases.items() if lease.expires_at <= now]
        for name in lapsed:
            del self._leases[name]
        return CleanedUp(sessions, changes, len(lapsed))

    def _check_open(self) -> None:
        if not self._open:
            raise StoreUnavailable("the databroker's memory store is not started, or stopped again")

    def _present(self, record_type: str, record_id: str) -> Record:
        self._check_open()
        record = self._records.get(record_type, {}).get(record_id)
        if record is None:
            raise RecordNotFound(record_type, record_id)
        return record

    def _write(self, records: Sequence[Record]) -> tuple[Record, ...]:
        # Through JSON and back: nobody else's object, and what any other store would hold.
        ready = [replace(record, data=json.loads(text)) for record, text in checked(records)]
        written = tuple(self._commit(record) for record in ready)
        if written:
            self._listeners.tell(self._record_version)
        return written

    def _commit(self, record: Record) -> Record:
        self._record_version += 1
        stored = replace(record, version=self._record_version, modified_at=self._clock.seconds())
        self._log.append(stored)
        if stored.deleted_at is None:
            self._records.setdefault(stored.type, {})[stored.id] = stored
        else:
            self._records.get(stored.type, {}).pop(stored.id, None)
        return stored

    def _delete_expired(self, now: float) -> int:
        expired = []
        for record in self._records.get(SESSION, {}).values():
            ends = expiry(record.type, record.data)
            if ends is not None and ends <= now:
                expired.append(record)
        for record in expired:
            self._commit(record.deletion(now))
        if expired:
            self._listeners.tell(self._record_version)
        return len(expired)

    def _forget_changes(self, now: float) -> int:
        # A prefix goes, whatever a clock that was set back wrote: the log must not have a gap.
        old = max(
            (
                count
                for count, change in enumerate(self._log, 1)
                if change.modified_at < now - CHANGE_LIFETIME
            ),
            default=0,
        )
        gone = max(0, min(max(old, len(self._log) - self._change_limit), len(self._log) - 1))
        del self._log[:gone]
        return gone
