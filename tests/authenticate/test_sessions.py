"""Sessions begin and end for the whole installation before the browser is told so."""

from __future__ import annotations

from dataclasses import replace

import pytest
from pytest_twisted import ensureDeferred
from twisted.internet.defer import Deferred

from pomerium_tw.authenticate.sessions import begin_session, end_older, end_session
from pomerium_tw.databroker import DIRECTORY_USER, SESSION, USER, Mirror
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
    await end_session(conversation, session.id)
    assert late.get(SESSION, session.id) is None
    assert await end_session(conversation, session.id) is None
    late.stop()


@ensureDeferred
async def test_every_session_has_an_id_of_its_own(world: World) -> None:
    identity = ProviderIdentity("alice", {"jti": "from the provider", "sid": "x"})
    ids = {
        (await begin_session(world.conversation, identity, "idp", flow(str(number)))).id
        for number in range(5)
    }
    assert len(ids) == 5 and all(len(session_id) == 22 for session_id in ids)


@pytest.mark.parametrize("late", [0, 1, 2])
@ensureDeferred
async def test_of_sessions_that_begin_at_once_the_last_one_is_left(world: World, late: int) -> None:
    c = world.conversation
    begun = [await begin_session(c, ProviderIdentity("alice"), "idp", flow(str(n))) for n in range(3)]
    ids = ["", "unknown", *(session.id for session in begun)]
    for session in (*begun[late:], *begun[:late]):
        await end_older(c, session, ids)
    assert world.session_ids() == [begun[-1].id]


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
