"""From what a request presents to who is asking, from memory alone."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable

from twisted.logger import Logger

from ..databroker import SESSION, USER, Mirror, Record, StoreUnavailable
from ..model import ANONYMOUS, Head, Identity
from .cookies import cookie_values
from .handle import HandleCodec, HandleError, SessionHandle
from .records import session_of, user_of

log = Logger("pomerium.session")

MAX_REMEMBERED_HANDLES = 50_000
"""Handles whose signature was found good. Only handles that we issued get in: one costs a sign-in."""
FRESH_HANDLE_SECONDS = 60.0
"""Age up to which a handle may be ahead of the mirror; an older one that is not known is simply not known."""


class Identities:
    """Looks callers up in the databroker's mirror.

    An :class:`Identity` is built once and shared until one of its records changes; what is derived from it
    (its ``memo``) goes with it. Methods raise StoreUnavailable when a good handle cannot be checked: that
    is no "no".
    """

    def __init__(self, mirror: Mirror, codec: HandleCodec, now: Callable[[], float]) -> None:
        self._mirror = mirror
        self._codec = codec
        self._now = now
        self._handles: OrderedDict[bytes, SessionHandle] = OrderedDict()
        self._identities: dict[str, Identity] = {}
        self._sessions_of: dict[str, set[str]] = {}
        mirror.on_change(self._changed)

    def from_cookies(self, head: Head, cookie_name: str, host: str, idp_id: str) -> Identity:
        """The caller whose session cookie is good for ``host``; ANONYMOUS when none is. "" for ``idp_id``:
        any provider.

        Every cookie of the name is tried: a sibling host may have planted others beside ours (SE-02).
        """
        if head.cookie is None:
            return ANONYMOUS
        # The same header block names the same caller while his records stand; saves 8 of 60 µs.
        remembered: tuple[tuple[str, str, str], Identity] | None = head.memo.get(self)
        if remembered is not None and remembered[0] == (cookie_name, host, idp_id):
            identity = remembered[1]
            if self._stands(identity):
                return identity
        for value in cookie_values(head.cookie, cookie_name):
            identity = self.from_handle_text(value, host, idp_id)
            if identity is not ANONYMOUS:
                head.memo[self] = ((cookie_name, host, idp_id), identity)
                return identity
        return ANONYMOUS

    def _stands(self, identity: Identity) -> bool:
        """Whether an identity that was built before is still the one of its session, and may be believed."""
        session = identity.session
        return (
            session is not None
            and self._identities.get(session.id) is identity
            and session.expires_at > self._now()
            and self._mirror.available
        )

    def from_handle_text(self, text: str, host: str, idp_id: str) -> Identity:
        """The caller behind a handle that was issued for ``host`` and the route's provider.

        Raises StoreUnavailable while the mirror's records cannot be trusted.
        """
        handle = self._read(text)
        if (
            handle is None
            or not handle.good_at(host)
            or (handle.idp_id and idp_id and handle.idp_id != idp_id)
        ):
            return ANONYMOUS
        if not self._mirror.available:
            # What was built from a copy that is no longer trusted must not answer either.
            raise StoreUnavailable("sessions cannot be checked: the databroker's copy is not available")
        identity = self._identities.get(handle.id) or self._build(handle.id)
        if identity is None or identity.session is None or identity.session.expires_at <= self._now():
            return ANONYMOUS
        if identity.session.user_id != handle.user_id:
            return ANONYMOUS
        return identity

    def version_ahead(self, head: Head, cookie_name: str, host: str) -> int:
        """The newest record version that a fresh cookie speaks of and the mirror has not reached; 0: there
        is none.

        A session may have been made on another node a moment ago. Who finds nobody waits for this version,
        once, and looks again (spec/identity §6.6).
        """
        handles = [self._read(value) for value in cookie_values(head.cookie, cookie_name)]
        ahead = [
            handle.record_version
            for handle in handles
            if handle is not None
            and handle.good_at(host)
            and handle.record_version > self._mirror.version
            and abs(self._now() - handle.issued_at) < FRESH_HANDLE_SECONDS
        ]
        return max(ahead, default=0)

    def _read(self, text: str) -> SessionHandle | None:
        digest = hashlib.sha256(text.encode("latin-1", "replace")).digest()
        handle = self._handles.get(digest)
        if handle is None:
            try:
                handle = self._codec.decode(text)
            except HandleError:
                return None
            self._handles[digest] = handle
            if len(self._handles) > MAX_REMEMBERED_HANDLES:
                self._handles.popitem(last=False)
        return handle

    def _build(self, session_id: str) -> Identity | None:
        record = self._mirror.get(SESSION, session_id)
        if record is None:
            return None
        try:
            session = session_of(record)
            user_record = self._mirror.get(USER, session.user_id)
            identity = Identity(session, user_of(user_record) if user_record else None)
        except (KeyError, TypeError, ValueError):
            log.failure("session record {id} is unreadable: it counts as no session", id=session_id)
            return None
        self._identities[session_id] = identity
        self._sessions_of.setdefault(session.user_id, set()).add(session_id)
        return identity

    def _changed(self, record: Record) -> None:
        if record.type == SESSION:
            self._forget(record.id)
        elif record.type == USER:
            for session_id in tuple(self._sessions_of.get(record.id, ())):
                self._forget(session_id)

    def _forget(self, session_id: str) -> None:
        identity = self._identities.pop(session_id, None)
        if identity is not None:
            sessions = self._sessions_of.get(identity.user_id)
            if sessions is not None:
                sessions.discard(session_id)
                if not sessions:
                    del self._sessions_of[identity.user_id]
