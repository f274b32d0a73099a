"""What only the SQLite store does: files, restarts, other processes, damage."""

from __future__ import annotations

import os
import sqlite3 as sqlite3_module
import stat
import sys
from typing import Any

import pytest
from pytest_twisted import ensureDeferred
from twisted.internet import reactor
from twisted.internet.task import Clock
from twisted.internet.utils import getProcessOutput
from twisted.logger import globalLogPublisher

from pomerium_tw.databroker import SESSION, USER, LeaseTaken, Record, SQLiteStore, StoreUnavailable
from pomerium_tw.databroker.sqlite import POLL_INTERVAL
from pomerium_tw.transport import Threads

from .conftest import SQLiteStores

ANN = Record.new(USER, "ann", {"name": "Ann"})


async def look(stores: SQLiteStores, store: SQLiteStore) -> None:
    """Lets one look for changes of others happen: its thread answers in order."""
    stores.clock.advance(POLL_INTERVAL)
    await store.latest()


@ensureDeferred
async def test_everything_survives_a_restart(sqlite: SQLiteStores) -> None:
    store = await sqlite.open()
    written = await store.put([ANN, Record.new(SESSION, "s1", {"expires_at": 5})])
    lease = await store.acquire_lease("loop", 30)
    await store.stop()
    again = await sqlite.open()
    snapshot = await again.latest()
    assert snapshot.server_version == written.server_version
    assert snapshot.record_version == 2
    assert await again.get(USER, "ann") == written.records[0]
    assert (await again.changes(written.server_version, 1)).records == written.records[1:]
    with pytest.raises(LeaseTaken):
        await again.acquire_lease("loop", 30)
    await again.renew_lease("loop", lease, 30)
    assert (await again.put([ANN])).record_version == 3


@ensureDeferred
async def test_a_new_file_is_a_new_life(sqlite: SQLiteStores) -> None:
    store = await sqlite.open()
    first = (await store.latest()).server_version
    await store.stop()
    sqlite.path.unlink()
    assert (await (await sqlite.open()).latest()).server_version != first


@ensureDeferred
async def test_no_file_of_the_database_is_readable_by_others(sqlite: SQLiteStores) -> None:
    await (await sqlite.open()).put([ANN])
    modes = {
        entry.name: stat.S_IMODE(entry.stat().st_mode)
        for entry in (sqlite.path.parent, *sqlite.path.parent.iterdir())
    }
    assert modes == {
        "state": 0o700,
        "databroker.sqlite": 0o600,
        "databroker.sqlite-wal": 0o600,
        "databroker.sqlite-shm": 0o600,
    }


@ensureDeferred
async def test_a_folder_that_is_open_to_others_is_closed_and_logged(sqlite: SQLiteStores) -> None:
    sqlite.path.parent.mkdir(mode=0o755)
    events: list[Any] = []
    globalLogPublisher.addObserver(events.append)
    await sqlite.open()
    globalLogPublisher.removeObserver(events.append)
    assert stat.S_IMODE(sqlite.path.parent.stat().st_mode) == 0o700
    assert any("was open to other users" in event.get("notice", "") for event in events)


@ensureDeferred
async def test_two_stores_on_one_file_see_each_others_changes(sqlite: SQLiteStores) -> None:
    one, other = await sqlite.open(), await sqlite.open()
    heard: list[int] = []
    other.subscribe(heard.append)
    await one.put([ANN, ANN])
    assert heard == []
    await look(sqlite, other)
    assert heard == [2]
    assert (await other.get(USER, "ann")).version == 2
    await look(sqlite, other)
    assert heard == [2], "no news, no ring"
    await other.put([ANN])
    await look(sqlite, other)
    assert heard == [2, 3], "own changes ring once"


@ensureDeferred
async def test_a_write_that_fails_half_way_leaves_nothing(sqlite: SQLiteStores) -> None:
    store = await sqlite.open()
    outside = sqlite3_module.connect(sqlite.path)
    outside.execute(
        "CREATE TRIGGER full BEFORE INSERT ON changes WHEN NEW.id = 'eve' "
        "BEGIN SELECT RAISE(ABORT, 'full'); END"
    )
    outside.close()
    with pytest.raises(StoreUnavailable, match="full"):
        await store.put([ANN, Record.new(USER, "eve", {})])
    assert (await store.latest()).records == ()
    assert (await store.put([ANN])).record_version == 1


@ensureDeferred
async def test_the_looking_ends_with_the_store(sqlite: SQLiteStores) -> None:
    store = await sqlite.open()
    assert sqlite.clock.getDelayedCalls()
    await store.stop()
    assert sqlite.clock.getDelayedCalls() == []
    await store.stop()


OTHER_PROCESS = """
import sys
from pathlib import Path
from pomerium_tw.databroker.database import Database
from pomerium_tw.databroker.records import Record
database = Database(Path(sys.argv[1]), 5.0)
database.open(1)
database.put([(Record.new("type", "from outside", {}), "{}")], 1.0)
"""


@ensureDeferred
async def test_changes_of_another_process_ring(sqlite: SQLiteStores) -> None:
    store = await sqlite.open()
    heard: list[int] = []
    store.subscribe(heard.append)
    arguments = ["-c", OTHER_PROCESS, str(sqlite.path)]
    printed = await getProcessOutput(sys.executable, arguments, os.environ, errortoo=True)
    assert printed == b""
    await look(sqlite, store)
    assert heard == [1]
    assert (await store.get("type", "from outside")).version == 1


@ensureDeferred
async def test_a_file_that_is_no_database_is_named_with_help(sqlite: SQLiteStores) -> None:
    sqlite.path.parent.mkdir(mode=0o700)
    sqlite.path.write_bytes(b"no database at all, but long enough to be read as one" * 100)
    with pytest.raises(StoreUnavailable, match=r"databroker\.sqlite failed: .*not a database; it is damaged"):
        await sqlite.open()


@ensureDeferred
async def test_damage_in_use_is_unavailability_and_not_a_missing_record(sqlite: SQLiteStores) -> None:
    store = await sqlite.open()
    await store.put([Record.new(USER, str(number), {"text": "x" * 500}) for number in range(200)])
    await store.stop()
    content = bytearray(sqlite.path.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    sqlite.path.write_bytes(content)
    with pytest.raises(StoreUnavailable, match="it is damaged: restore a copy"):
        damaged = await sqlite.open()
        await damaged.get(USER, "7")


@ensureDeferred
async def test_a_lock_that_is_held_for_too_long_is_named_with_help(sqlite: SQLiteStores) -> None:
    store = sqlite.new(busy_limit=0.01)
    await store.start()
    intruder = sqlite3_module.connect(sqlite.path, isolation_level=None)
    intruder.execute("BEGIN EXCLUSIVE")
    with pytest.raises(StoreUnavailable, match="locked; another program holds its lock"):
        await store.put([ANN])
    intruder.execute("ROLLBACK")
    intruder.close()
    assert (await store.put([ANN])).record_version == 1, "it works again"


@ensureDeferred
async def test_a_database_of_a_later_release_is_refused(sqlite: SQLiteStores) -> None:
    await (await sqlite.open()).stop()
    later = sqlite3_module.connect(sqlite.path)
    later.execute("PRAGMA user_version = 99")
    later.close()
    with pytest.raises(StoreUnavailable, match="later release"):
        await sqlite.open()


@ensureDeferred
async def test_a_database_of_another_program_is_refused_and_left_alone(sqlite: SQLiteStores) -> None:
    sqlite.path.parent.mkdir(mode=0o700)
    foreign = sqlite3_module.connect(sqlite.path)
    foreign.execute("CREATE TABLE records (song TEXT)")
    foreign.close()
    with pytest.raises(StoreUnavailable, match="another program"):
        await sqlite.open()
    foreign = sqlite3_module.connect(sqlite.path)
    assert foreign.execute("SELECT name FROM sqlite_master").fetchall() == [("records",)]
    foreign.close()


@ensureDeferred
async def test_a_failing_look_is_logged_once_and_recovers(sqlite: SQLiteStores) -> None:
    store, other = await sqlite.open(), await sqlite.open()
    heard: list[int] = []
    store.subscribe(heard.append)
    events: list[Any] = []
    globalLogPublisher.addObserver(events.append)
    database = store._database
    news, database.news = database.news, lambda: database._row("SELECT broken")
    for _ in range(3):
        await look(sqlite, store)
    globalLogPublisher.removeObserver(events.append)
    assert sum("not seen at present" in event["log_format"] for event in events) == 1
    database.news = news
    await other.put([ANN])
    await look(sqlite, store)
    assert heard == [1]


@ensureDeferred
async def test_before_start_and_with_closed_threads_it_is_unavailable(sqlite: SQLiteStores) -> None:
    store = sqlite.new()
    with pytest.raises(StoreUnavailable, match="not opened"):
        await store.get(USER, "ann")
    threads = Threads(reactor, "databroker", 1)
    await threads.close()
    with pytest.raises(StoreUnavailable, match="are closed"):
        await SQLiteStore(sqlite.path, Clock(), threads).start()


def test_more_than_one_thread_is_refused(sqlite: SQLiteStores) -> None:
    with pytest.raises(ValueError, match="size 1"):
        SQLiteStore(sqlite.path, Clock(), Threads(reactor, "databroker", 2))
