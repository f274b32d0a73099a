"""One SQLite connection that speaks of records. Its methods block; one thread at a time may be in them."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from .errors import LeaseTaken, RecordNotFound, invalid_record_version, invalid_server_version
from .interfaces import CHANGE_LIFETIME, CHANGES_PAGE, Changes, CleanedUp, Found, Snapshot, Written
from .private_folder import make_private
from .query import select
from .records import Record, encode_data, expiry
from .schema import migrate

_READ = "BEGIN"
_WRITE = "BEGIN IMMEDIATE"

_RECORD = "SELECT type, id, version, data, modified_at, NULL FROM records"
_CHANGE = "SELECT type, id, version, data, modified_at, deleted_at FROM changes"


class Database:
    """The file at ``path``. Raises sqlite3.Error for whatever SQLite cannot do, and this room's errors."""

    def __init__(self, path: Path, busy_limit: float) -> None:
        """``busy_limit``: seconds to wait for the locks of other connections."""
        self._path = path
        self._busy_limit = busy_limit
        self._connection: sqlite3.Connection | None = None
        self._server_version = 0
        self._seen = 0

    def open(self, server_version: int) -> tuple[str, ...]:
        """Opens the file, making it if need be (with ``server_version``); answers lines for the log."""
        notices = make_private(self._path)
        connection = sqlite3.connect(
            self._path, timeout=self._busy_limit, isolation_level=None, check_same_thread=False
        )
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            # Each commit reaches the disk: a sign-out must not come undone by a power cut.
            connection.execute("PRAGMA synchronous = FULL")
            self._connection = connection
            with self._transaction(_WRITE):
                migrate(connection, str(self._path), server_version)
            (self._server_version,) = self._row("SELECT server_version FROM data_set")
            (self._seen,) = self._row("PRAGMA data_version")
        except BaseException:
            self._connection = None
            connection.close()
            raise
        return notices

    def close(self) -> None:
        """Closes the connection; does nothing when there is none."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def put(self, records: Sequence[tuple[Record, str]], now: float) -> Written:
        """Writes the records, each with its encoded data."""
        with self._transaction(_WRITE):
            written = tuple(self._write(record, text, now) for record, text in records)
            return Written(self._server_version, self._latest_version(), written)

    def patch(self, record_type: str, record_id: str, fields: Mapping[str, Any], now: float) -> Record:
        """Replaces top-level fields. Raises RecordNotFound, InvalidRecord."""
        with self._transaction(_WRITE):
            record = self._present(record_type, record_id)
            text = encode_data({**record.data, **fields})
            return self._write(record, text, now)

    def get(self, record_type: str, record_id: str) -> Record:
        """Raises RecordNotFound."""
        return self._present(record_type, record_id)

    def query(self, record_type: str, text: str, where: Mapping[str, Any], offset: int, limit: int) -> Found:
        """One page of the records of a type that match, by id."""
        with self._transaction(_READ):
            rows = self._records(f"{_RECORD} WHERE type = ? ORDER BY id", (record_type,))
            page, total = select(rows, text, where, offset, limit)
            return Found(self._server_version, self._latest_version(), page, total)

    def latest(self, record_type: str) -> Snapshot:
        """Every present record, of one type or of all for ""."""
        with self._transaction(_READ):
            records = tuple(self._records(f"{_RECORD} WHERE ? IN ('', type)", (record_type,)))
            return Snapshot(self._server_version, self._latest_version(), records)

    def changes(self, server_version: int, record_version: int, record_type: str) -> Changes:
        """The next page of changes. Raises StaleVersion."""
        if server_version != self._server_version:
            raise invalid_server_version()
        with self._transaction(_READ):
            latest = self._latest_version()
            (earliest,) = self._row("SELECT coalesce(min(version), 1) FROM changes")
            if not earliest - 1 <= record_version <= latest:
                raise invalid_record_version()
            query = f"{_CHANGE} WHERE version > ? AND ? IN ('', type) ORDER BY version LIMIT ?"
            found = tuple(self._records(query, (record_version, record_type, CHANGES_PAGE + 1)))
        page = found[:CHANGES_PAGE]
        more = len(found) > len(page)
        return Changes(self._server_version, page[-1].version if more else latest, page, more)

    def news(self) -> int | None:
        """The newest version when another connection has written since the last call; else None."""
        (seen,) = self._row("PRAGMA data_version")
        if seen == self._seen:
            return None
        self._seen = seen
        return self._latest_version()

    def acquire_lease(self, name: str, lease_id: str, duration: float, now: float) -> str:
        """Raises LeaseTaken."""
        with self._transaction(_WRITE):
            held = self._connected.execute("SELECT expires_at FROM leases WHERE name = ?", (name,)).fetchone()
            if held is not None and held[0] > now:
                raise LeaseTaken(name)
            self._connected.execute("REPLACE INTO leases VALUES (?, ?, ?)", (name, lease_id, now + duration))
        return lease_id

    def renew_lease(self, name: str, lease_id: str, duration: float, now: float) -> None:
        """Raises LeaseTaken."""
        renewed = self._connected.execute(
            "UPDATE leases SET expires_at = ? WHERE name = ? AND id = ? AND expires_at > ?",
            (now + duration, name, lease_id, now),
        )
        if renewed.rowcount == 0:
            raise LeaseTaken(name)

    def release_lease(self, name: str, lease_id: str) -> None:
        """Frees the lease if it is held under this id."""
        self._connected.execute("DELETE FROM leases WHERE name = ? AND id = ?", (name, lease_id))

    def clean_up(self, change_limit: int, now: float) -> tuple[CleanedUp, int]:
        """What was removed, and the newest version."""
        with self._transaction(_WRITE):
            expired = tuple(self._records(f"{_RECORD} WHERE expires_at <= ?", (now,)))
            for record in expired:
                self._write(record.deletion(now), encode_data(record.data), now)
            latest = self._latest_version()
            # A prefix goes, whatever a clock that was set back wrote: the log must not have a gap.
            (old,) = self._row(
                "SELECT coalesce(max(version), 0) FROM changes WHERE modified_at < ?",
                (now - CHANGE_LIFETIME,),
            )
            last_gone = min(max(old, latest - change_limit), latest - 1)
            changes = self._connected.execute("DELETE FROM changes WHERE version <= ?", (last_gone,)).rowcount
            leases = self._connected.execute("DELETE FROM leases WHERE expires_at <= ?", (now,)).rowcount
        return CleanedUp(len(expired), changes, leases), latest

    @property
    def _connected(self) -> sqlite3.Connection:
        if self._connection is None:
            raise sqlite3.ProgrammingError("the database is closed")
        return self._connection

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[None]:
        connection = self._connected
        connection.execute(begin)
        try:
            yield
            connection.execute("COMMIT")
        except BaseException:
            connection.rollback()
            raise

    def _row(self, query: str, values: Sequence[Any] = ()) -> tuple[Any, ...]:
        row: tuple[Any, ...] = self._connected.execute(query, values).fetchone()
        return row

    def _records(self, query: str, values: Sequence[Any]) -> Iterator[Record]:
        for record_type, record_id, version, data, modified_at, deleted_at in self._connected.execute(
            query, values
        ):
            yield Record(record_type, record_id, version, json.loads(data), modified_at, deleted_at)

    def _present(self, record_type: str, record_id: str) -> Record:
        found = next(self._records(f"{_RECORD} WHERE type = ? AND id = ?", (record_type, record_id)), None)
        if found is None:
            raise RecordNotFound(record_type, record_id)
        return found

    def _latest_version(self) -> int:
        (version,) = self._row("SELECT coalesce(max(version), 0) FROM changes")
        return int(version)

    def _write(self, record: Record, text: str, now: float) -> Record:
        execute = self._connected.execute
        # An INTEGER PRIMARY KEY counts on from the newest change, which never leaves the table.
        added = execute(
            "INSERT INTO changes (type, id, data, modified_at, deleted_at) VALUES (?, ?, ?, ?, ?)",
            (record.type, record.id, text, now, record.deleted_at),
        )
        version = cast(int, added.lastrowid)
        data = json.loads(text)
        if record.deleted_at is None:
            values = (record.type, record.id, version, text, now, expiry(record.type, data))
            execute("REPLACE INTO records VALUES (?, ?, ?, ?, ?, ?)", values)
        else:
            execute("DELETE FROM records WHERE type = ? AND id = ?", (record.type, record.id))
        return replace(record, version=version, data=data, modified_at=now)
