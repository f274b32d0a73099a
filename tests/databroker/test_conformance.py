"""What every store must do (spec/identity §12): each test runs on each kind of store."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from pytest_twisted import ensureDeferred
from twisted.internet.defer import DeferredList
from zope.interface.verify import verifyObject

from pomerium_tw.databroker import (
    MAX_BATCH,
    SESSION,
    USER,
    InvalidRecord,
    IRecordStore,
    LeaseTaken,
    Record,
    RecordNotFound,
    StaleVersion,
    StoreUnavailable,
)
from pomerium_tw.databroker.interfaces import CHANGE_LIFETIME, CHANGES_PAGE

from .conftest import NOW, Stores


def user(name: str, **data: Any) -> Record:
    return Record.new(USER, name, {"name": name, **data})


def session(name: str, **data: Any) -> Record:
    return Record.new(SESSION, name, data)


@ensureDeferred
async def test_offers_the_interface(stores: Stores) -> None:
    assert verifyObject(IRecordStore, await stores.open())


@ensureDeferred
async def test_get_answers_what_was_put_with_version_and_time(stores: Stores) -> None:
    store = await stores.open()
    written = await store.put([user("ann", claims={"groups": ["a", 1, True, None, 1.5]})])
    found = await store.get(USER, "ann")
    assert found == Record(
        USER, "ann", 1, {"name": "ann", "claims": {"groups": ["a", 1, True, None, 1.5]}}, NOW
    )
    assert written.records == (found,)
    assert written.record_version == 1
    assert written.server_version > 0


@ensureDeferred
async def test_get_of_a_missing_record_fails(stores: Stores) -> None:
    store = await stores.open()
    await store.put([user("ann")])
    with pytest.raises(RecordNotFound, match="'bob'"):
        await store.get(USER, "bob")
    with pytest.raises(RecordNotFound):
        await store.get(SESSION, "ann")


@ensureDeferred
async def test_versions_grow_by_one_over_all_types_in_the_order_given(stores: Stores) -> None:
    store = await stores.open()
    first = await store.put([user("ann"), session("s1"), user("bob")])
    second = await store.put([user("ann")])
    assert [record.version for record in first.records] == [1, 2, 3]
    assert [record.version for record in second.records] == [4]
    assert first.server_version == second.server_version


@ensureDeferred
async def test_put_of_nothing_changes_nothing(stores: Stores) -> None:
    store = await stores.open()
    await store.put([user("ann")])
    assert (await store.put([])).record_version == 1


@ensureDeferred
async def test_what_was_put_is_not_changed_through_the_callers_object(stores: Stores) -> None:
    store = await stores.open()
    data = {"groups": ["a"]}
    await store.put([Record.new(USER, "ann", data)])
    data["groups"].append("admins")
    assert (await store.get(USER, "ann")).data == {"groups": ["a"]}


@pytest.mark.parametrize(
    "bad",
    [
        Record.new("", "id", {}),
        Record.new(USER, "", {}),
        Record.new(USER, "x" * 513, {}),
        Record.new(USER, "line\nbreak", {}),
        Record.new(USER, "half \ud800", {}),
        Record.new(USER, "id", {"token": b"bytes"}),
        Record.new(USER, "id", {"number": float("nan")}),
        Record.new(USER, "id", {"text": "x" * 1024 * 1024}),
    ],
    ids=["no type", "no id", "long id", "control", "surrogate", "bytes", "nan", "large"],
)
@ensureDeferred
async def test_one_bad_record_keeps_the_whole_batch_out(stores: Stores, bad: Record) -> None:
    store = await stores.open()
    with pytest.raises(InvalidRecord):
        await store.put([user("ann"), bad])
    assert (await store.latest()).records == ()
    assert (await store.latest()).record_version == 0


@ensureDeferred
async def test_too_many_records_at_once_are_refused(stores: Stores) -> None:
    store = await stores.open()
    with pytest.raises(InvalidRecord, match="at most 1000"):
        await store.put([user(str(number)) for number in range(MAX_BATCH + 1)])


@ensureDeferred
async def test_a_deleted_record_is_gone_but_its_last_data_is_in_the_changes(stores: Stores) -> None:
    store = await stores.open()
    (record,) = (await store.put([session("s1", user_id="ann")])).records
    await store.put([record.deletion(NOW)])
    with pytest.raises(RecordNotFound):
        await store.get(SESSION, "s1")
    assert (await store.latest()).records == ()
    assert (await store.query(SESSION)).total == 0
    server = (await store.latest()).server_version
    put, deleted = (await store.changes(server, 0)).records
    assert put == record
    assert deleted == replace(record, version=2, deleted_at=NOW)


@ensureDeferred
async def test_a_record_can_come_back_after_its_deletion(stores: Stores) -> None:
    store = await stores.open()
    await store.put([user("ann"), user("ann").deletion(NOW), user("ann", back=True)])
    assert (await store.get(USER, "ann")).data["back"] is True


@ensureDeferred
async def test_patch_replaces_only_the_fields_named(stores: Stores) -> None:
    store = await stores.open()
    await store.put([session("s1", tokens="old", user_id="ann")])
    stores.clock.advance(5)
    patched = await store.patch(SESSION, "s1", {"tokens": "new", "accessed_at": 7})
    assert patched.data == {"tokens": "new", "user_id": "ann", "accessed_at": 7}
    assert (patched.version, patched.modified_at) == (2, NOW + 5)
    assert await store.get(SESSION, "s1") == patched


@ensureDeferred
async def test_patches_at_the_same_time_all_survive(stores: Stores) -> None:
    one, other = await stores.open(), await stores.open()
    await one.put([session("s1")])
    await DeferredList(
        [(one, other)[n % 2].patch(SESSION, "s1", {f"f{n}": n}) for n in range(10)], fireOnOneErrback=True
    )
    assert (await one.get(SESSION, "s1")).data == {f"f{n}": n for n in range(10)}


@ensureDeferred
async def test_patch_does_not_revive_a_deleted_record(stores: Stores) -> None:
    store = await stores.open()
    await store.put([session("s1"), session("s1").deletion(NOW)])
    with pytest.raises(RecordNotFound):
        await store.patch(SESSION, "s1", {"tokens": "new"})
    with pytest.raises(RecordNotFound):
        await store.get(SESSION, "s1")


@ensureDeferred
async def test_a_bad_patch_leaves_the_record_as_it_is(stores: Stores) -> None:
    store = await stores.open()
    await store.put([session("s1", a=1)])
    with pytest.raises(InvalidRecord):
        await store.patch(SESSION, "s1", {"a": object()})
    assert (await store.latest()).record_version == 1
    assert (await store.get(SESSION, "s1")).data == {"a": 1}


@ensureDeferred
async def test_query_finds_text_and_equal_fields(stores: Stores) -> None:
    store = await stores.open()
    await store.put(
        [
            user("b", email="Bob@Example.COM", claims={"groups": ["admins"]}, active=True),
            user("a", email="ann@example.com", claims={"groups": ["staff"]}, active=True),
            user("c", email="eve@other.org", active=1),
            session("d", email="d@example.com"),
        ]
    )

    async def ids(**query: Any) -> list[str]:
        return [record.id for record in (await store.query(USER, **query)).records]

    assert await ids() == ["a", "b", "c"]
    assert await ids(text="EXAMPLE.com") == ["a", "b"]
    assert await ids(where={"claims.groups": "admins"}) == ["b"]
    assert await ids(where={"active": True}) == ["a", "b"]
    assert await ids(text="example", where={"email": "ann@example.com"}) == ["a"]
    assert await ids(where={"missing": None}) == []


@ensureDeferred
async def test_query_answers_pages_and_the_total(stores: Stores) -> None:
    store = await stores.open()
    await store.put([user(f"u{number}") for number in range(5)])
    found = await store.query(USER, offset=1, limit=2)
    assert [record.id for record in found.records] == ["u1", "u2"]
    assert (found.total, found.record_version) == (5, 5)
    assert (await store.query(USER, offset=9)).records == ()
    for bad in ({"offset": -1}, {"limit": 0}, {"limit": 1001}):
        with pytest.raises(ValueError, match=r"offset|limit"):
            await store.query(USER, **bad)


@ensureDeferred
async def test_latest_answers_one_type_or_all(stores: Stores) -> None:
    store = await stores.open()
    await store.put([user("ann"), session("s1"), user("ann", v=2)])
    everything = await store.latest()
    assert {(record.type, record.version) for record in everything.records} == {(USER, 3), (SESSION, 2)}
    assert everything.record_version == 3
    assert [record.id for record in (await store.latest(SESSION)).records] == ["s1"]


@ensureDeferred
async def test_changes_come_in_order_with_every_intermediate_value(stores: Stores) -> None:
    store = await stores.open()
    await store.put([user("ann", v=1)])
    server = (await store.latest()).server_version
    await store.put([session("s1"), user("ann", v=2)])
    await store.patch(USER, "ann", {"v": 3})
    changes = await store.changes(server, 1)
    assert [(change.version, change.id, change.data.get("v")) for change in changes.records] == [
        (2, "s1", None),
        (3, "ann", 2),
        (4, "ann", 3),
    ]
    assert (changes.record_version, changes.more) == (4, False)


@ensureDeferred
async def test_changes_of_one_type_move_the_position_past_the_others(stores: Stores) -> None:
    store = await stores.open()
    server = (await store.put([user("ann"), session("s1"), user("bob")])).server_version
    changes = await store.changes(server, 0, SESSION)
    assert [change.id for change in changes.records] == ["s1"]
    assert changes.record_version == 3


@ensureDeferred
async def test_many_changes_come_in_pages_without_loss(stores: Stores) -> None:
    store = await stores.open()
    await store.put([user(f"a{number}") for number in range(CHANGES_PAGE)])
    server = (await store.put([user("last"), session("s1")])).server_version
    first = await store.changes(server, 0, USER)
    assert (len(first.records), first.more) == (CHANGES_PAGE, True)
    rest = await store.changes(server, first.record_version, USER)
    assert [change.id for change in rest.records] == ["last"]
    assert (rest.record_version, rest.more) == (CHANGES_PAGE + 2, False)


@ensureDeferred
async def test_no_changes_is_an_empty_answer(stores: Stores) -> None:
    store = await stores.open()
    fresh = await store.latest()
    assert (await store.changes(fresh.server_version, 0)).records == ()


@ensureDeferred
async def test_a_position_of_another_life_is_stale(stores: Stores) -> None:
    store = await stores.open()
    server = (await store.put([user("ann")])).server_version
    with pytest.raises(StaleVersion, match="invalid server version"):
        await store.changes(server + 1, 0)


@ensureDeferred
async def test_a_position_ahead_of_the_data_set_is_stale(stores: Stores) -> None:
    store = await stores.open()
    server = (await store.put([user("ann")])).server_version
    with pytest.raises(StaleVersion, match="invalid record version"):
        await store.changes(server, 2)


@ensureDeferred
async def test_changes_are_forgotten_after_an_hour_but_for_the_newest(stores: Stores) -> None:
    store = await stores.open()
    server = (await store.put([user("ann"), user("bob")])).server_version
    stores.clock.advance(CHANGE_LIFETIME)
    assert (await store.clean_up()).changes == 0
    stores.clock.advance(1)
    assert (await store.clean_up()).changes == 1
    assert (await store.clean_up()).changes == 0
    with pytest.raises(StaleVersion, match="invalid record version"):
        await store.changes(server, 0)
    assert [change.version for change in (await store.changes(server, 1)).records] == [2]
    assert (await store.put([user("eve")])).record_version == 3
    assert len((await store.latest()).records) == 3


@ensureDeferred
async def test_a_clock_that_was_set_back_leaves_no_gap_in_the_changes(stores: Stores) -> None:
    store = await stores.open()
    server = (await store.put([user("ann")])).server_version
    stores.clock.rightNow -= 2 * CHANGE_LIFETIME
    await store.put([user("bob")])
    stores.clock.rightNow += 2 * CHANGE_LIFETIME
    await store.put([user("eve")])
    assert (await store.clean_up()).changes == 2
    with pytest.raises(StaleVersion):
        await store.changes(server, 0)
    assert [change.id for change in (await store.changes(server, 2)).records] == ["eve"]


@ensureDeferred
async def test_no_more_changes_than_the_limit_outlive_a_clean_up(stores: Stores) -> None:
    store = await stores.open(change_limit=3)
    server = (await store.put([user(str(number)) for number in range(5)])).server_version
    assert (await store.clean_up()).changes == 2
    assert [change.version for change in (await store.changes(server, 2)).records] == [3, 4, 5]


@ensureDeferred
async def test_clean_up_of_an_empty_store_is_fine(stores: Stores) -> None:
    removed = await (await stores.open()).clean_up()
    assert (removed.sessions, removed.changes, removed.leases) == (0, 0, 0)


@ensureDeferred
async def test_clean_up_deletes_expired_sessions_and_tells_of_it(stores: Stores) -> None:
    store = await stores.open()
    await store.put(
        [
            session("over", expires_at=NOW + 10, user_id="ann"),
            session("going", expires_at=NOW + 10.5),
            session("endless", expires_at=0),
            session("odd", expires_at=True),
            user("ann", expires_at=NOW),
        ]
    )
    server = (await store.latest()).server_version
    heard: list[int] = []
    store.subscribe(heard.append)
    stores.clock.advance(10)
    assert (await store.clean_up()).sessions == 1
    assert {record.id for record in (await store.latest()).records} == {"going", "endless", "odd", "ann"}
    (change,) = (await store.changes(server, 5)).records
    assert (change.id, change.deleted_at, change.data["user_id"]) == ("over", NOW + 10, "ann")
    assert heard == [6]


@ensureDeferred
async def test_a_session_that_was_prolonged_is_not_cleaned_up(stores: Stores) -> None:
    store = await stores.open()
    await store.put([session("s1", expires_at=NOW + 1)])
    await store.patch(SESSION, "s1", {"expires_at": NOW + 100})
    stores.clock.advance(10)
    assert (await store.clean_up()).sessions == 0


@ensureDeferred
async def test_subscribers_hear_of_each_write_until_they_leave(stores: Stores) -> None:
    store = await stores.open()
    heard: list[int] = []
    leave = store.subscribe(heard.append)
    await store.put([user("ann"), user("bob")])
    await store.patch(USER, "ann", {"v": 2})
    await store.put([])
    leave()
    await store.put([user("eve")])
    assert heard == [2, 3]


@ensureDeferred
async def test_a_subscriber_that_fails_does_not_fail_the_write(stores: Stores) -> None:
    store = await stores.open()
    heard: list[int] = []

    def broken(version: int) -> None:
        raise RuntimeError("broken")

    store.subscribe(broken)
    store.subscribe(heard.append)
    await store.put([user("ann")])
    assert heard == [1]


@ensureDeferred
async def test_a_lease_is_held_by_one(stores: Stores) -> None:
    one, other = await stores.open(), await stores.open()
    await one.acquire_lease("loop", 30)
    with pytest.raises(LeaseTaken, match="'loop'"):
        await other.acquire_lease("loop", 30)
    await other.acquire_lease("another", 30)


@ensureDeferred
async def test_of_many_that_reach_for_a_lease_at_once_one_gets_it(stores: Stores) -> None:
    one, other = await stores.open(), await stores.open()
    attempts = [(one, other)[number % 2].acquire_lease("state", 360) for number in range(20)]
    results = await DeferredList(attempts, consumeErrors=True)
    assert sum(success for success, _ in results) == 1
    assert all(success or failure.check(LeaseTaken) for success, failure in results)


@ensureDeferred
async def test_a_lease_is_free_when_its_time_is_over(stores: Stores) -> None:
    store = await stores.open()
    first = await store.acquire_lease("loop", 30)
    stores.clock.advance(29.5)
    with pytest.raises(LeaseTaken):
        await store.acquire_lease("loop", 30)
    stores.clock.advance(0.5)
    assert await store.acquire_lease("loop", 30) != first


@ensureDeferred
async def test_renewing_counts_from_now(stores: Stores) -> None:
    store = await stores.open()
    lease = await store.acquire_lease("loop", 30)
    stores.clock.advance(20)
    await store.renew_lease("loop", lease, 30)
    stores.clock.advance(20)
    with pytest.raises(LeaseTaken):
        await store.acquire_lease("loop", 30)
    await store.renew_lease("loop", lease, 30)


@ensureDeferred
async def test_a_lease_that_ran_out_cannot_be_renewed(stores: Stores) -> None:
    store = await stores.open()
    lease = await store.acquire_lease("loop", 30)
    stores.clock.advance(30)
    with pytest.raises(LeaseTaken):
        await store.renew_lease("loop", lease, 30)


@ensureDeferred
async def test_only_the_holder_renews_and_releases(stores: Stores) -> None:
    store = await stores.open()
    lease = await store.acquire_lease("loop", 30)
    with pytest.raises(LeaseTaken):
        await store.renew_lease("loop", "guess", 30)
    await store.release_lease("loop", "guess")
    with pytest.raises(LeaseTaken):
        await store.acquire_lease("loop", 30)
    await store.release_lease("loop", lease)
    await store.acquire_lease("loop", 30)


@ensureDeferred
async def test_clean_up_removes_leases_that_ran_out(stores: Stores) -> None:
    store = await stores.open()
    await store.acquire_lease("short", 10)
    kept = await store.acquire_lease("long", 20)
    stores.clock.advance(10)
    assert (await store.clean_up()).leases == 1
    await store.renew_lease("long", kept, 20)


@pytest.mark.parametrize("duration", [0, -1, 3601, float("nan")])
@ensureDeferred
async def test_a_lease_has_a_sane_duration(stores: Stores, duration: float) -> None:
    store = await stores.open()
    with pytest.raises(ValueError, match="lease lasts"):
        await store.acquire_lease("loop", duration)


@ensureDeferred
async def test_nothing_works_after_stop(stores: Stores) -> None:
    store = await stores.open()
    server = (await store.put([user("ann")])).server_version
    await store.stop()
    for call in (
        lambda: store.put([user("bob")]),
        lambda: store.patch(USER, "ann", {}),
        lambda: store.get(USER, "ann"),
        lambda: store.query(USER),
        lambda: store.latest(),
        lambda: store.changes(server, 0),
        lambda: store.acquire_lease("loop", 30),
        lambda: store.renew_lease("loop", "id", 30),
        lambda: store.release_lease("loop", "id"),
        lambda: store.clean_up(),
    ):
        with pytest.raises(StoreUnavailable):
            await call()
