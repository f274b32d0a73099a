"""Sessions beginning and ending in the databroker, seen by our own mirror before the browser moves on."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from hashlib import sha256

from twisted.logger import Logger

from ..databroker import DIRECTORY_USER, SESSION, Record, RecordNotFound
from ..identity import Capability, IIdentityProvider, ProviderError, ProviderIdentity, Tokens
from ..model import Request, Secret, Session, flatten_claims
from ..session import (
    Flow,
    SignIn,
    beside_of,
    directory_record,
    open_tokens,
    session_of,
    sign_in_records,
)
from ..token import encode
from .conversation import Conversation
from .sign_in import signed_in
from .state import SignInState

log = Logger("pomerium.authenticate")

SESSION_ID_BYTES = 16
MAX_BROWSER_SESSIONS = 32
"""Sessions of one browser that end together when its visitor signs out."""
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
    conversation: Conversation,
    identity: ProviderIdentity,
    idp_id: str,
    flow: Flow,
    beside: Iterable[str] = (),
) -> Session:
    """Stores the user, his groups and the new session. Raises StoreError.

    ``beside``: sessions that end with it.
    """
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
        beside=tuple(beside),
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


async def end_sessions(conversation: Conversation, session_ids: Iterable[str]) -> list[Record]:
    """Deletes the sessions everywhere, all at once; the records, as they were, of those that lived.

    Raises StoreError.
    """
    c = conversation
    records = []
    for session_id in session_ids:
        try:
            records.append(await c.store.get(SESSION, session_id))
        except RecordNotFound:
            continue
    if records:
        written = await c.store.put([record.deletion(c.now()) for record in records])
        await c.mirror.wait_for(written.record_version)
    return records


def with_beside(conversation: Conversation, session_ids: Iterable[str]) -> list[str]:
    """These sessions of one browser, first, and those that stand beside them; "" is none.

    Raises StoreUnavailable.
    """
    found: dict[str, None] = {}
    waiting = deque(session_ids)
    while waiting and len(found) < MAX_BROWSER_SESSIONS:
        session_id = waiting.popleft()
        if not session_id or session_id in found:
            continue
        found[session_id] = None
        record = conversation.mirror.get(SESSION, session_id)
        if record is not None:
            waiting.extend(beside_of(record))
    return list(found)


def sessions_beside(
    request: Request, user_id: str, state: SignInState, flow: Flow, conversation: Conversation
) -> tuple[list[str], list[str]]:
    """Other sessions of a browser that comes back from the provider: those to stand beside its new one, in
    each of which a page may be at work, and those that the new one replaces (SE-01).

    Raises StoreUnavailable.
    """
    c = conversation
    # Of another tab that comes back at this moment, the browser may not have the cookie yet.
    tabs = [session_id_of(each) for each in c.login_flows.held(request.head.cookie) if each.id != flow.id]
    before = signed_in(request, "", c)
    own = session_id_of(flow)
    _own, *others = with_beside(c, [own, before.session_id if before is not None else "", *tabs])
    replaced = [each for each in others if each not in tabs and _is_replaced(each, user_id, state, c)]
    return [each for each in others if each not in replaced], replaced


def _is_replaced(session_id: str, user_id: str, state: SignInState, conversation: Conversation) -> bool:
    """It began before this sign-in did, or is another user's; not so where another provider keeps it."""
    c = conversation
    record = c.mirror.get(SESSION, session_id)
    try:
        session = session_of(record) if record is not None else None
    except (KeyError, TypeError, ValueError):
        session = None
    if session is None or session.idp_id not in c.providers:
        return True  # it is over, or nobody can use it
    older = session.issued_at < state.issued_at
    return session.idp_id == state.idp_id and (older or session.user_id != user_id)


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
