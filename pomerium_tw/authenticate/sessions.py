"""Sessions beginning and ending in the databroker, seen by our own mirror before the browser moves on."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256

from twisted.logger import Logger

from ..databroker import DIRECTORY_USER, SESSION, Record, RecordNotFound
from ..identity import Capability, IIdentityProvider, ProviderError, ProviderIdentity, Tokens
from ..model import Secret, Session, flatten_claims
from ..session import Flow, SignIn, directory_record, open_tokens, session_of, sign_in_records
from ..token import encode
from .conversation import Conversation

log = Logger("pomerium.authenticate")

SESSION_ID_BYTES = 16
REVOKE_SECONDS = 3.0
"""Seconds that signing out waits for the provider to forget the tokens, and as many for its sign-out
address."""


def session_id_of(flow: Flow) -> str:
    """The id of the session that a sign-in becomes: as random as the flow's verifier, and new like it (R6).

    So whoever holds the cookie of the flow, the browser alone, also shows which session is its own.
    """
    digest = sha256(b"session of " + flow.values["verifier"].encode()).digest()
    return encode(digest[:SESSION_ID_BYTES])


async def begin_session(
    conversation: Conversation, identity: ProviderIdentity, idp_id: str, flow: Flow
) -> Session:
    """Stores the user, his groups and the new session. Raises StoreError."""
    c = conversation
    now = c.now()
    sign_in = SignIn(
        session_id=session_id_of(flow),
        user_id=identity.user_id,
        idp_id=idp_id,
        claims=flatten_claims(identity.claims),
        name=identity.name,
        email=identity.email,
        tokens=identity.tokens,
        issued_at=now,
        expires_at=now + c.cookies.expire,
        audience=(c.authenticate_host,),
        groups=identity.groups,
    )
    try:
        known = await c.store.get(DIRECTORY_USER, identity.user_id)
    except RecordNotFound:
        known = None
    directory = directory_record(sign_in, known)
    written = await c.store.put(
        [*([directory] if directory is not None else []), *sign_in_records(sign_in, c.keys.tokens)]
    )
    await c.mirror.wait_for(written.record_version)
    return session_of(written.records[-1])


async def end_session(conversation: Conversation, session_id: str) -> Record | None:
    """Deletes the session everywhere; its record as it was, or None when it had ended already.

    Raises StoreError.
    """
    c = conversation
    try:
        record = await c.store.get(SESSION, session_id)
    except RecordNotFound:
        return None
    written = await c.store.put([record.deletion(c.now())])
    await c.mirror.wait_for(written.record_version)
    return record


async def end_older(conversation: Conversation, session: Session, session_ids: Iterable[str]) -> None:
    """Ends those of a browser's sessions that began before ``session``, which the browser has now.

    Of several that begin at once, each ends the older ones: one is left. Raises StoreError.
    """
    for session_id in session_ids:
        record = conversation.mirror.get(SESSION, session_id)
        if record is not None and record.version < session.version:
            await end_session(conversation, session_id)


async def leave_provider(conversation: Conversation, record: Record, post_logout_redirect: str) -> str | None:
    """Makes the provider forget an ended session; its own sign-out page, if it has one and answers soon.

    Never fails: the session is over here, whatever the provider does.
    """
    c = conversation
    provider = c.providers.get(str(record.data.get("idp_id")))
    if provider is None:
        return None
    tokens = open_tokens(record, c.keys.tokens) or Tokens()
    if Capability.REVOKE in provider.capabilities:
        try:
            await provider.revoke(tokens).addTimeout(REVOKE_SECONDS, c.clock)
        except ProviderError as error:
            log.info(
                "{name} did not revoke the tokens of a session: {error}", name=provider.name, error=error
            )
        except Exception:
            log.failure("revoking at {name} failed", name=provider.name)
    return await _sign_out_page(c, provider, tokens.id_token, post_logout_redirect)


async def _sign_out_page(
    c: Conversation, provider: IIdentityProvider, id_token: Secret, post_logout_redirect: str
) -> str | None:
    if Capability.SIGN_OUT not in provider.capabilities:
        return None
    try:
        return await provider.sign_out_url(id_token, post_logout_redirect).addTimeout(REVOKE_SECONDS, c.clock)
    except ProviderError as error:
        log.info("{name} has no sign-out page just now: {error}", name=provider.name, error=error)
    except Exception:
        log.failure("the sign-out page of {name} failed", name=provider.name)
    return None
