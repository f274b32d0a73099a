"""The mirror: the same records as the store, synchronously; and what it does when the store fails."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from pytest_twisted import ensureDeferred
from twisted.internet.defer import Deferred, fail
from twisted.internet.task import Clock
from twisted.logger import globalLogPublisher
from twisted.python.failure import Failure

from pomerium_tw.databroker import (
    SESSION,
    USER,
    Changes,
    MemoryStore,
    Mirror,
    Record,
    Snapshot,
    StaleVersion,
    StoreUnavailable,
)
from pomerium_tw.databroker import mirror as module
from pomerium_tw.databroker.interfaces import CHANGES_PAGE
from pomerium_tw.databroker.sqlite import POLL_INTERVAL

from .conftest import SQLiteStores

NOW = 1_700_000_000.0


class FaultyStore(MemoryStore):
    """A memory store whose reading can be made to fail or to hang."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self.error: Exception | None = None
        self.error_of_latest: Exception | None = None
        self.hangs = False
        self.calls: list[str] = []

    def latest(self, record_type: str = "") -> Deferred[Snapshot]:
        self.calls.append(f"latest {record_type}".strip())
        if self.error or self.error_of_latest:
            return fail(self.error or self.error_of_latest)
        return Deferred() if self.hangs else super().latest(record_type)

    def changes(self, server_version: int, record_version: int, record_type: str = "") -> Deferred[Changes]:
        self.calls.append("changes")
        if self.error:
            return fail(self.error)
        return Deferred() if self.hangs else super().changes(server_version, record_version, record_type)


class House:
    def __init__(self, types: Sequence[str] = (SESSION, USER)) -> None:
        self.clock = Clock()
        self.clock.advance(NOW)
        self.store = FaultyStore(self.clock)
        self.store.start()
        self.mirror = Mirror(self.store, types, self.clock)
        self.heard: list[tuple[str, int, bool]] = []
        self.mirror.on_change(
            lambda record: self.heard.append((record.id, record.version, record.deleted_at is not None))
        )

    def put(self, *ids: str, kind: str = SESSION, **data: Any) -> int:
        written: list[Any] = []
        self.store.put([Record.new(kind, name, data) for name in ids]).addCallback(written.append)
        return int(written[0].record_version)

    def delete(self, name: str) -> None:
        self.store.put([Record.new(SESSION, name, {}).deletion(self.clock.seconds())])

    def fail_for(self, seconds: float) -> None:
        """Lets the store fail for that long."""
        self.store.error = StoreUnavailable("the disk is gone")
        self.put("news")
        for _ in range(round(seconds * 10)):
            self.clock.advance(0.1)


@pytest.fixture
def house() -> House:
    return House()


@pytest.fixture
def log() -> Any:
    events: list[dict[str, Any]] = []
    globalLogPublisher.addObserver(events.append)
    yield events
    globalLogPublisher.removeObserver(events.append)


def error_of(deferred: Deferred[Any]) -> Exception | None:
    """What the Deferred has failed with; None while it waits."""
    failures: list[Failure] = []
    deferred.addErrback(failures.append)
    return failures[0].value if failures else None


def test_it_is_unavailable_until_it_has_loaded(house: House) -> None:
    assert (house.mirror.available, house.mirror.healthy) == (False, False)
    with pytest.raises(StoreUnavailable):
        house.mirror.get(SESSION, "s1")
    with pytest.raises(StoreUnavailable):
        house.mirror.records(SESSION)


def test_it_loads_what_is_there_and_follows_what_comes(house: House) -> None:
    house.put("s1", user_id="ann")
    assert house.mirror.start().called
    assert (house.mirror.available, house.mirror.healthy) == (True, True)
    loaded = house.mirror.get(SESSION, "s1")
    assert loaded is not None
    assert loaded.data == {"user_id": "ann"}
    assert house.mirror.get(SESSION, "s2") is None
    house.put("s2")
    assert house.mirror.get(SESSION, "s2") is not None
    house.delete("s1")
    assert house.mirror.get(SESSION, "s1") is None
    assert set(house.mirror.records(SESSION)) == {"s2"}
    assert house.mirror.version == 3


def test_a_view_of_all_records_cannot_be_written(house: House) -> None:
    house.mirror.start()
    with pytest.raises(TypeError):
        house.mirror.records(SESSION)["s1"] = Record.new(SESSION, "s1", {})


def test_expired_sessions_are_the_readers_business(house: House) -> None:
    house.put("s1", expires_at=NOW - 1)
    house.mirror.start()
    assert house.mirror.get(SESSION, "s1") is not None


def test_a_type_that_is_not_mirrored_is_an_error_and_not_a_missing_record(house: House) -> None:
    house.put("other", kind="other")
    house.mirror.start()
    with pytest.raises(KeyError):
        house.mirror.get("other", "other")


def test_one_type_is_asked_for_by_name() -> None:
    house = House([USER])
    house.put("s1")
    house.put("ann", kind=USER)
    house.mirror.start()
    assert house.store.calls[0] == f"latest {USER}"
    assert house.heard == [("ann", 2, False)]
    assert house.mirror.version == 2


def test_no_type_at_all_is_refused(house: House) -> None:
    with pytest.raises(ValueError, match="at least one"):
        Mirror(house.store, [], house.clock)


def test_listeners_hear_each_change_in_order_after_it_happened(house: House) -> None:
    house.put("s1")
    house.mirror.start()
    seen: list[bool] = []
    house.mirror.on_change(lambda record: seen.append(house.mirror.get(record.type, record.id) is not None))
    house.put("s2", "s1")
    house.delete("s1")
    assert house.heard == [("s1", 1, False), ("s2", 2, False), ("s1", 3, False), ("s1", 4, True)]
    assert seen == [True, True, False]


def test_a_listener_that_fails_or_left_stops_nothing(house: House, log: list[Any]) -> None:
    house.mirror.on_change(lambda record: 1 // 0)
    left: list[Record] = []
    house.mirror.on_change(left.append)()
    house.mirror.start()
    house.put("s1")
    assert (house.heard, left) == ([("s1", 1, False)], [])
    assert house.mirror.healthy
    assert any("a listener of the databroker failed" in str(event["log_format"]) for event in log)


def test_a_listener_may_write(house: House) -> None:
    def copy(record: Record) -> None:
        if record.id == "s1":
            house.put("s2")

    house.mirror.on_change(copy)
    house.mirror.start()
    house.put("s1")
    assert house.mirror.get(SESSION, "s2") is not None


def test_more_changes_than_one_page_all_arrive(house: House) -> None:
    house.mirror.start()
    house.store.hangs = True
    house.put("first")  # the mirror asks and waits
    for batch in range(3):
        house.put(*(f"{batch}-{number}" for number in range(CHANGES_PAGE)))
    house.store.hangs = False
    house.clock.advance(module.CALL_LIMIT)
    house.clock.advance(module.FIRST_RETRY)
    assert len(house.mirror.records(SESSION)) == 3 * CHANGES_PAGE + 1
    assert [version for _, version, _ in house.heard] == list(range(1, 3 * CHANGES_PAGE + 2))


def test_a_login_waits_for_its_own_version(house: House) -> None:
    house.mirror.start()
    waiting = house.mirror.wait_for(2)
    house.put("s1")
    assert not waiting.called
    house.put("s2")
    assert waiting.called
    assert house.mirror.wait_for(2).called


def test_waiting_before_the_first_load_ends_with_it(house: House) -> None:
    waiting = house.mirror.wait_for(house.put("s1"))
    assert not waiting.called
    house.mirror.start()
    assert waiting.called


def test_waiting_asks_the_store_at_once(house: House) -> None:
    house.mirror.start()
    calls = len(house.store.calls)
    error_of(house.mirror.wait_for(1))
    assert len(house.store.calls) == calls + 1


def test_waiting_has_an_end(house: House) -> None:
    house.mirror.start()
    waiting = house.mirror.wait_for(7)
    house.clock.advance(module.WAIT_LIMIT)
    error = error_of(waiting)
    assert isinstance(error, StoreUnavailable)
    assert "change 7 did not arrive within 10 seconds" in str(error)
    house.put(*"1234567")


def test_a_stale_position_loads_anew_and_tells_the_differences(house: House) -> None:
    house.put("same", "changed", "gone")
    house.mirror.start()
    house.heard.clear()
    house.store.hangs = True
    house.put("changed", v=2)
    house.delete("gone")
    house.put("new")
    house.clock.advance(7200)
    house.store.clean_up()
    house.store.hangs = False
    house.clock.advance(module.LONGEST_RETRY)
    assert house.store.calls[-3:] == ["changes", "latest", "changes"]
    assert sorted(house.heard) == [("changed", 4, False), ("gone", 3, True), ("new", 6, False)]
    assert set(house.mirror.records(SESSION)) == {"same", "changed", "new"}


def test_another_life_of_the_data_set_replaces_the_copy(house: House) -> None:
    house.put("old")
    house.mirror.start()
    life = house.mirror.server_version
    other = MemoryStore(house.clock)
    other.start()
    other.put([Record.new(SESSION, "new", {})])
    house.store.__dict__.update({key: other.__dict__[key] for key in ("_server_version", "_records", "_log")})
    house.clock.advance(module.CHECK_INTERVAL)
    assert set(house.mirror.records(SESSION)) == {"new"}
    assert house.mirror.server_version != life
    assert house.heard == [("old", 1, False), ("old", 1, True), ("new", 1, False)]


def test_the_old_copy_serves_until_the_new_one_is_complete(house: House) -> None:
    house.put("s1")
    house.mirror.start()
    loading: Deferred[Snapshot] = Deferred()
    house.store.latest = lambda record_type="": loading
    house.store._server_version += 1
    house.put("s2")
    assert not loading.called
    assert house.mirror.get(SESSION, "s1") is not None
    loading.callback(Snapshot(house.store._server_version, 2, (Record.new(SESSION, "s2", {}),)))
    assert set(house.mirror.records(SESSION)) == {"s2"}


def test_a_store_that_calls_everything_stale_is_not_asked_without_pause(house: House) -> None:
    house.mirror.start()
    house.store.calls.clear()
    house.store.changes = lambda *position: fail(StaleVersion("invalid record version"))
    house.put("s1")
    for _ in range(600):
        house.clock.advance(0.1)
    assert 5 < len(house.store.calls) < 40
    assert not house.mirror.healthy


def test_a_first_load_that_fails_is_tried_again(house: House) -> None:
    house.store.error = StoreUnavailable("no disk")
    house.put("s1")
    started = house.mirror.start()
    assert not started.called
    assert not house.mirror.available
    house.store.error = None
    house.clock.advance(module.FIRST_RETRY)
    assert started.called
    assert house.mirror.get(SESSION, "s1") is not None


def test_the_copy_serves_while_the_store_fails_for_a_while(house: House, log: list[Any]) -> None:
    house.put("s1")
    house.mirror.start()
    house.fail_for(10)
    assert not house.mirror.healthy
    assert house.mirror.get(SESSION, "s1") is not None
    house.store.error = None
    house.clock.advance(module.LONGEST_RETRY)
    assert house.mirror.healthy
    assert house.mirror.get(SESSION, "news") is not None
    texts = [event["log_format"] for event in log if event.get("log_namespace") == "pomerium.databroker"]
    assert sum("tried again until it answers" in text for text in texts) == 1
    assert sum("answers again" in text for text in texts) == 1


def test_a_copy_that_is_too_old_fails_closed_and_recovers(house: House) -> None:
    house.put("s1")
    house.mirror.start()
    house.fail_for(module.STALE_LIMIT + module.LONGEST_RETRY)
    assert not house.mirror.available
    with pytest.raises(StoreUnavailable, match="too old to be trusted"):
        house.mirror.get(SESSION, "s1")
    waiting = house.mirror.wait_for(1)
    assert not waiting.called, "a version of a copy that is not trusted is not there"
    house.store.error = None
    house.clock.advance(module.LONGEST_RETRY)
    assert house.mirror.get(SESSION, "s1") is not None
    assert waiting.called


def test_retries_come_further_and_further_apart(house: House) -> None:
    house.mirror.start()
    house.store.calls.clear()
    house.fail_for(60)
    assert 8 <= len(house.store.calls) <= 15


def test_rings_do_not_shorten_the_wait_after_a_failure(house: House) -> None:
    house.mirror.start()
    house.store.error = StoreUnavailable("no disk")
    house.put("s1")
    calls = len(house.store.calls)
    house.put("s2")
    house.put("s3")
    assert len(house.store.calls) == calls


def test_a_store_that_hangs_is_noticed(house: House) -> None:
    house.mirror.start()
    house.store.hangs = True
    house.put("s1")
    house.clock.advance(module.CALL_LIMIT - 0.1)
    assert house.mirror.healthy
    house.clock.advance(0.1)
    assert not house.mirror.healthy


def test_a_ring_that_was_lost_is_made_up_for(house: House) -> None:
    house.mirror.start()
    house.store._listeners.__init__()
    house.put("s1")
    assert house.mirror.get(SESSION, "s1") is None
    house.clock.advance(module.CHECK_INTERVAL)
    assert house.mirror.get(SESSION, "s1") is not None


def test_a_silent_failure_of_the_store_is_noticed_without_a_ring(house: House) -> None:
    house.mirror.start()
    house.store.error = StoreUnavailable("no disk")
    house.clock.advance(module.CHECK_INTERVAL)
    assert not house.mirror.healthy


def test_stop_while_resting_ends_everything(house: House) -> None:
    house.mirror.start()
    waiting = house.mirror.wait_for(5)
    house.mirror.stop()
    assert isinstance(error_of(waiting), StoreUnavailable)
    assert isinstance(error_of(house.mirror.wait_for(0)), StoreUnavailable)
    with pytest.raises(StoreUnavailable):
        house.mirror.get(SESSION, "s1")
    house.put("s1")
    assert house.heard == []
    assert house.clock.getDelayedCalls() == []
    assert not house.store._listeners._listeners, "the store does not know the mirror any more"


@pytest.mark.parametrize("hangs", [True, False], ids=["in a call", "after a failure"])
def test_stop_before_the_first_load_fails_the_start(house: House, hangs: bool) -> None:
    house.store.hangs, house.store.error = hangs, None if hangs else StoreUnavailable("no disk")
    started = house.mirror.start()
    house.mirror.stop()
    assert isinstance(error_of(started), StoreUnavailable)
    assert house.clock.getDelayedCalls() == []


def test_a_listener_may_stop_the_mirror(house: House) -> None:
    house.mirror.start()
    house.mirror.on_change(lambda record: house.mirror.stop())
    house.put("s1")
    assert not house.mirror.available
    assert house.clock.getDelayedCalls() == []


@ensureDeferred
async def test_it_follows_another_connections_writes_on_sqlite(sqlite: SQLiteStores) -> None:
    writer, reader = await sqlite.open(), await sqlite.open()
    mirror = Mirror(reader, [SESSION], sqlite.clock)
    await mirror.start()
    written = await writer.put([Record.new(SESSION, "s1", {})])
    await mirror.wait_for(written.record_version)
    (record,) = written.records
    assert mirror.get(SESSION, "s1") == record
    await writer.put([record.deletion(NOW)])
    gone: Deferred[Record] = Deferred()
    mirror.on_change(gone.callback)
    sqlite.clock.advance(POLL_INTERVAL)
    assert (await gone).id == "s1"
    assert mirror.get(SESSION, "s1") is None
    mirror.stop()
