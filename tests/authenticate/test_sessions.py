"""Sessions begin and end for the whole installation before the browser is told so."""

from __future__ import annotations

from dataclasses import replace

import pytest
from pytest_twisted import ensureDeferred
from twisted.internet.defer import Deferred

from pomerium_tw.authenticate.sessions import (
    MAX_BROWSER_SESSIONS,
    begin_session,
    end_sessions,
    with_beside,
)
from pomerium_tw.databroker import DIRECTORY_USER, SESSION, USER, Mirror, Record
from pomerium_tw.identity import ProviderIdentity
from pomerium_tw.session import Flow

from .world import World


def flow(verifier: str = "v" * 43) -> Flow:
    return Flow("id", {"nonce": "n", "verifier": verifier})


@ensureDeferred
async def test_beginning_and_ending_wait_until_this_process_sees_it(world: World) -> None:
    late = Mirror(world.store, [SESSION, USER], world.clock)
    conversation = replace(world.conversation, mirror=late)
    beginning = Deferred.fromCoroutine(begin_session(conversation, ProviderIdentity("alice"), "idp", flow()))
    assert not beginning.called
    await late.start()
    session = await beginning
    assert late.get(SESSION, session.id) is not None
    [ended] = await end_sessions(conversation, [session.id, "unknown"])
    assert ended.id == session.id and late.get(SESSION, session.id) is None
    assert await end_sessions(conversation, [session.id]) == []
    late.stop()


@ensureDeferred
async def test_every_session_has_an_id_of_its_own(world: World) -> None:
    identity = ProviderIdentity("alice", {"jti": "from the provider", "sid": "x"})
    ids = {
        (await begin_session(world.conversation, identity, "idp", flow(str(number)))).id
        for number in range(5)
    }
    assert len(ids) == 5 and all(len(session_id) == 22 for session_id in ids)


@ensureDeferred
async def test_sessions_beside_one_are_found_through_others_and_are_bounded(world: World) -> None:
    c, before = world.conversation, ""
    ids = []
    for number in range(MAX_BROWSER_SESSIONS + 3):
        beside = (before, "not yet begun") if before else ()
        session = await begin_session(c, ProviderIdentity("alice"), "idp", flow(str(number)), beside)
        ids.append(before := session.id)
    assert with_beside(c, ["", ids[2]]) == [ids[2], ids[1], "not yet begun", ids[0]]
    assert with_beside(c, ["unknown", "unknown"]) == ["unknown"]
    newest = with_beside(c, [ids[-1]])
    assert len(newest) == MAX_BROWSER_SESSIONS and newest[:2] == [ids[-1], ids[-2]]
    assert ids[0] not in newest


@pytest.mark.parametrize("odd", ["ab", None, 7, ["a", 5]])
@ensureDeferred
async def test_what_stands_beside_is_nothing_where_it_cannot_be_read(world: World, odd: object) -> None:
    c = world.conversation
    session = await begin_session(c, ProviderIdentity("alice"), "idp", flow(), ("other",))
    record = await c.store.get(SESSION, session.id)
    await c.store.put([Record.new(SESSION, session.id, {**record.data, "beside": odd})])
    assert with_beside(c, [session.id]) == [session.id]


@ensureDeferred
async def test_groups_of_the_provider_are_those_of_the_user_until_it_names_them_no_more(world: World) -> None:
    groups_of = []
    for claims in ({"groups": ["staff"]}, {"groups": "no list"}, {}, {"groups": ["a", 1]}, {"groups": ["b"]}):
        await begin_session(world.conversation, ProviderIdentity("alice", claims), "idp", flow())
        record = world.mirror.get(DIRECTORY_USER, "alice")
        assert record is not None
        groups_of.append(record.data["group_ids"])
    assert groups_of == [["staff"], [], [], [], ["b"]]
    await begin_session(world.conversation, ProviderIdentity("bob"), "idp", flow())
    assert world.mirror.get(DIRECTORY_USER, "bob") is None
