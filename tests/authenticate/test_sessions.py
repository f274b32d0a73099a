"""Sessions begin and end for the whole installation before the browser is told so."""

from __future__ import annotations

from dataclasses import replace

from pytest_twisted import ensureDeferred
from twisted.internet.defer import Deferred

from pomerium_tw.authenticate.sessions import begin_session, end_session
from pomerium_tw.databroker import DIRECTORY_USER, SESSION, USER, Mirror
from pomerium_tw.identity import ProviderIdentity

from .world import World


@ensureDeferred
async def test_beginning_and_ending_wait_until_this_process_sees_it(world: World) -> None:
    late = Mirror(world.store, [SESSION, USER], world.clock)
    conversation = replace(world.conversation, mirror=late)
    beginning = Deferred.fromCoroutine(begin_session(conversation, ProviderIdentity("alice"), "idp"))
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
    ids = {(await begin_session(world.conversation, identity, "idp")).id for _ in range(5)}
    assert len(ids) == 5 and all(len(session_id) == 22 for session_id in ids)


@ensureDeferred
async def test_groups_of_the_provider_are_those_of_the_user_until_it_names_them_no_more(world: World) -> None:
    groups_of = []
    for claims in ({"groups": ["staff"]}, {"groups": "no list"}, {}, {"groups": ["a", 1]}, {"groups": ["b"]}):
        await begin_session(world.conversation, ProviderIdentity("alice", claims), "idp")
        record = world.mirror.get(DIRECTORY_USER, "alice")
        assert record is not None
        groups_of.append(record.data["group_ids"])
    assert groups_of == [["staff"], [], [], [], ["b"]]
    await begin_session(world.conversation, ProviderIdentity("bob"), "idp")
    assert world.mirror.get(DIRECTORY_USER, "bob") is None
