"""The default store: one SQLite file in the state folder, shared by all processes of an installation."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from zope.interface import implementer

from ..transport import Threads, ThreadsError
from .answers import awaited
from .database import Database
from .errors import StoreUnavailable
from .interfaces import (
    CHANGE_LIMIT,
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
from .query import check_page
from .records import Record, check_name, checked
from .versions import new_server_version

log = Logger("pomerium.databroker")

_P = ParamSpec("_P")
_R = TypeVar("_R")

POLL_INTERVAL = 0.2
"""Seconds between looks for changes made through other connections (DESIGN §7.3)."""

BUSY_LIMIT = 5.0
"""Seconds to wait for a lock that another connection holds."""


@implementer(IRecordStore)
class SQLiteStore:
    """:class:`IRecordStore` in a file of mode 0600 in a folder of mode 0700; it survives restarts.

    ``threads`` must have exactly one thread (else ValueError), since all calls share one connection; whoever
    made it closes it, after the store.
    """

    def __init__(
        self,
        path: Path,
        clock: IReactorTime,
        threads: Threads,
        random: Callable[[int], bytes] = os.urandom,
        *,
        change_limit: int = CHANGE_LIMIT,
        busy_limit: float = BUSY_LIMIT,
    ) -> None:
        if threads.size != 1:
            raise ValueError(f"a SQLite store needs threads of size 1, not {threads.size}")
        self._path = path
        self._clock = clock
        self._threads = threads
        self._random = random
        self._change_limit = change_limit
        self._database = Database(path, busy_limit)
        self._open = False
        self._listeners: Listeners[int] = Listeners()
        self._watch = LoopingCall(self._look)
        self._watch.clock = clock
        self._watch_fails = False

    @awaited
    async def start(self) -> None:
        notices = await self._call(self._database.open, new_server_version(self._random))
        for notice in notices:
            log.warn("{notice}", notice=notice)
        self._open = True
        self._watch.start(POLL_INTERVAL, now=False)

    @awaited
    async def stop(self) -> None:
        if self._open:
            self._open = False
            self._watch.stop()
            await self._call(self._database.close)

    @awaited
    async def put(self, records: Sequence[Record]) -> Written:
        written = await self._run(self._database.put, checked(records), self._clock.seconds())
        if written.records:
            self._ring(written.record_version)
        return written

    @awaited
    async def patch(self, record_type: str, record_id: str, fields: Mapping[str, Any]) -> Record:
        now = self._clock.seconds()
        record = await self._run(self._database.patch, record_type, record_id, dict(fields), now)
        self._ring(record.version)
        return record

    @awaited
    async def get(self, record_type: str, record_id: str) -> Record:
        return await self._run(self._database.get, record_type, record_id)

    @awaited
    async def query(
        self,
        record_type: str,
        text: str = "",
        where: Mapping[str, Any] = NO_FILTER,
        offset: int = 0,
        limit: int = QUERY_LIMIT,
    ) -> Found:
        check_page(offset, limit)
        return await self._run(self._database.query, record_type, text, where, offset, limit)

    @awaited
    async def latest(self, record_type: str = "") -> Snapshot:
        return await self._run(self._database.latest, record_type)

    @awaited
    async def changes(self, server_version: int, record_version: int, record_type: str = "") -> Changes:
        return await self._run(self._database.changes, server_version, record_version, record_type)

    def subscribe(self, listener: Callable[[int], None]) -> Callable[[], None]:
        return self._listeners.add(listener)

    @awaited
    async def acquire_lease(self, name: str, duration: float) -> str:
        check_name("lease name", name)
        check_duration(duration)
        lease_id = new_lease_id(self._random)
        return await self._run(self._database.acquire_lease, name, lease_id, duration, self._clock.seconds())

    @awaited
    async def renew_lease(self, name: str, lease_id: str, duration: float) -> None:
        check_duration(duration)
        await self._run(self._database.renew_lease, name, lease_id, duration, self._clock.seconds())

    @awaited
    async def release_lease(self, name: str, lease_id: str) -> None:
        await self._run(self._database.release_lease, name, lease_id)

    @awaited
    async def clean_up(self) -> CleanedUp:
        removed, version = await self._run(self._database.clean_up, self._change_limit, self._clock.seconds())
        if removed.sessions:
            self._ring(version)
        return removed

    async def _run(self, job: Callable[_P, _R], *args: _P.args, **kwargs: _P.kwargs) -> _R:
        if not self._open:
            raise StoreUnavailable(f"the database {self._path} is not opened, or closed again")
        return await self._call(job, *args, **kwargs)

    async def _call(self, job: Callable[_P, _R], *args: _P.args, **kwargs: _P.kwargs) -> _R:
        try:
            return await self._threads.run(job, *args, **kwargs)
        except sqlite3.Error as error:
            raise StoreUnavailable(f"the database {self._path} failed: {error}; {_hint(error)}") from error
        except ThreadsError as error:
            raise StoreUnavailable(f"the database {self._path} was not reached: {error}") from error

    def _ring(self, version: int) -> None:
        if self._open:
            self._listeners.tell(version)

    async def _look(self) -> None:
        """Rings for what other connections wrote. A failure is logged once: the next look tries again."""
        try:
            version = await self._run(self._database.news)
        except StoreUnavailable as error:
            if self._open and not self._watch_fails:
                log.warn("changes by other processes are not seen at present: {error}", error=error)
            self._watch_fails = True
            return
        self._watch_fails = False
        if version is not None:
            self._ring(version)


def _hint(error: sqlite3.Error) -> str:
    """What a person can do about it."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return (
            "another program holds its lock: close it (a backup, or a sqlite3 shell with an open transaction)"
        )
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return (
            "it is damaged: restore a copy, or move it away with its -wal and -shm files; "
            "everybody signs in again then"
        )
    if code == sqlite3.SQLITE_FULL:
        return "the disk is full: make room"
    return "check that its folder exists, that this user may write to it, and that the disk is sound"
