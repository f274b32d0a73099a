"""The provider's tokens, from memory."""

from __future__ import annotations

from pytest_twisted import ensureDeferred
from twisted.internet.task import Clock

from pomerium_tw.databroker import SESSION, MemoryStore, Mirror, Record
from pomerium_tw.identity import Tokens
from pomerium_tw.model import ANONYMOUS, Identity, Secret, Session
from pomerium_tw.session import SessionTokens, seal_tokens
from pomerium_tw.token import Sealer

SEALER = Sealer(Secret(b"k" * 32))


def caller(session_id: str) -> Identity:
    return Identity(Session(session_id, "alice", "idp", 0, 9))


@ensureDeferred
async def test_tokens_are_those_of_the_session_whose_rights_count() -> None:
    clock = Clock()
    store = MemoryStore(clock)
    await store.start()
    mirror = Mirror(store, [SESSION], clock)
    await mirror.start()
    sealed = seal_tokens(Tokens.from_text("access", "refresh", "id", None), SEALER, "s1")
    written = await store.put(
        [Record.new(SESSION, "s1", {"tokens": sealed}), Record.new(SESSION, "s2", {"tokens": sealed})]
    )
    await mirror.wait_for(written.record_version)
    tokens = SessionTokens(mirror, SEALER)
    found = tokens.of(caller("s1"))
    assert (found.access_token.reveal(), found.id_token.reveal()) == (b"access", b"id")
    for nobody in (ANONYMOUS, caller("s2"), caller("missing")):
        assert not tokens.of(nobody).access_token and not tokens.of(nobody).id_token
    assert not SessionTokens(mirror, Sealer(Secret(b"x" * 32))).of(caller("s1")).access_token
    mirror.stop()
    await store.stop()
