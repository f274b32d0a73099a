"""From what a request presents to who is asking, from memory alone."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable

from twisted.logger import Logger

from ..databroker import SESSION, USER, Mirror, Record, StoreUnavailable
from ..model import ANONYMOUS, Head, Identity
from .callers import CallerRecords, Key
from .cookies import cookie_values
from .handle import HandleCodec, HandleError, SessionHandle

log = Logger("pomerium.session")

MAX_REMEMBERED_HANDLES = 50_000
"""Handles whose signature was found good. Only handles that we issued get in: one costs a sign-in."""
FRESH_HANDLE_SECONDS = 60.0
"""Age up to which a handle may be ahead of the mirror; an older one that is not known is simply not known."""

MAX_TOLD_RECORDS = 1000
"""Records that cannot be read of which it is remembered that the log was told."""

_Known = tuple[Identity, int, float, str, str]
"""Who a header block names: caller, version of what is known, end, and what was asked: cookie, provider."""


class Identities:
    """Looks callers up in the databroker's mirror.

    An :class:`Identity` is built once and shared until one of its records changes; what is derived from it
    (its ``memo``) goes with it. Methods raise StoreUnavailable when a good handle cannot be checked: that
    is no "no".
    """

    def __init__(self, mirror: Mirror, codec: HandleCodec, now: Callable[[], float]) -> None:
        self._mirror = mirror
        self._codec = codec
        self.now = now
        """Seconds since the epoch."""
        self._handles: OrderedDict[bytes, SessionHandle] = OrderedDict()
        self._identities: dict[str, tuple[Identity, tuple[Key, ...]]] = {}
        """Session id → the identity, and the records that it was made of or that were missed."""
        self._made_of: dict[Key, str | set[str]] = {}
        """The other way round: record → the session that it concerns, or the several. Most concern one, and
        a set for each would be a sixth of what a session takes."""
        self._told: OrderedDict[tuple[str, str, int], None] = OrderedDict()
        """Type, id and version of records of which the log was told that they cannot be read."""
        self._version = 0
        """Counts the changes of callers that were seen."""
        self._listeners: list[Callable[[str], None]] = []
        mirror.on_change(self._changed)

    def on_change(self, listener: Callable[[str], None]) -> None:
        """Have ``listener`` told the id of each session that is no longer what it was."""
        self._listeners.append(listener)

    def from_cookies(self, head: Head, cookie_name: str, host: str, idp_id: str) -> Identity:
        """The caller whose session cookie is good for ``host``; ANONYMOUS when none is. "" for ``idp_id``:
        any provider.

        Every cookie of the name is tried: a sibling host may have planted others beside ours (SE-02).
        """
        if head.cookie is None:
            return ANONYMOUS
        # The same header block names the same caller while no caller's records changed; saves 8 of 60 µs.
        known: _Known | None = head.memo.get(self)
        if (
            known is not None
            and known[1] == self._version
            and known[2] > self.now()
            and known[3] == cookie_name
            and known[4] == idp_id
            and self._mirror.available
        ):
            return known[0]
        first = True
        for value in cookie_values(head.cookie, cookie_name):
            handle = self._good(value, host, idp_id)
            if handle is None:
                continue
            identity = self._caller(handle)
            if identity is not ANONYMOUS:
                if first:
                    head.memo[self] = (identity, self._version, identity.expires_at, cookie_name, idp_id)
                return identity
            # Its session may come yet, and would go before what is found behind it.
            first = False
        return ANONYMOUS

    def from_handle_text(self, text: str, host: str, idp_id: str) -> Identity:
        """The caller behind a handle that was issued for ``host`` and the route's provider.

        Raises StoreUnavailable while the mirror's records cannot be trusted.
        """
        handle = self._good(text, host, idp_id)
        return ANONYMOUS if handle is None else self._caller(handle)

    def _good(self, text: str, host: str, idp_id: str) -> SessionHandle | None:
        """The handle, if it was issued for host and provider; what the text says, this stays."""
        handle = self._read(text)
        if (
            handle is None
            or not handle.good_at(host)
            or (handle.idp_id and idp_id and handle.idp_id != idp_id)
        ):
            return None
        return handle

    def _caller(self, handle: SessionHandle) -> Identity:
        """Whose session it is now."""
        if not self._mirror.available:
            # What was built from a copy that is no longer trusted must not answer either.
            raise StoreUnavailable("sessions cannot be checked: the databroker's copy is not available")
        found = self._identities.get(handle.id)
        identity = found[0] if found is not None else self._build(handle.id)
        if identity is None or identity.expires_at <= self.now():
            return ANONYMOUS
        named = identity.named
        return ANONYMOUS if named is None or named.user_id != handle.user_id else identity

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
            and abs(self.now() - handle.issued_at) < FRESH_HANDLE_SECONDS
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
        records = CallerRecords(self._mirror)
        try:
            identity = records.identity(session_id)
        except (KeyError, TypeError, ValueError) as error:
            self._unreadable(records.reading, error)
            return None
        if identity is not None:
            asked = tuple(records.asked)
            self._identities[session_id] = (identity, asked)
            for key in asked:
                self._concern(key, session_id)
        return identity

    def _unreadable(self, record: Record | None, error: Exception) -> None:
        """Raises StoreUnavailable unless the record is one that a new sign-in writes anew (SE-14)."""
        assert record is not None  # noqa: S101 - what is not there is not read
        key = (record.type, record.id, record.version)
        if key not in self._told:
            self._told[key] = None
            if len(self._told) > MAX_TOLD_RECORDS:
                self._told.popitem(last=False)
            log.error(
                "record {id} of type {type} cannot be read: {reason}",
                id=record.id,
                type=record.type,
                reason=repr(error),
            )
        if record.type not in (SESSION, USER):
            raise StoreUnavailable(f"record {record.id!r} of type {record.type} cannot be read")

    def _concern(self, key: Key, session_id: str) -> None:
        others = self._made_of.setdefault(key, session_id)
        if isinstance(others, set):
            others.add(session_id)
        elif others != session_id:
            self._made_of[key] = {others, session_id}

    def _changed(self, record: Record) -> None:
        concerned = self._made_of.get((record.type, record.id), ())
        for session_id in (concerned,) if isinstance(concerned, str) else tuple(concerned):
            self._forget(session_id)
            for listener in self._listeners:
                listener(session_id)

    def _forget(self, session_id: str) -> None:
        self._version += 1
        _identity, asked = self._identities.pop(session_id)
        for key in asked:
            sessions = self._made_of[key]
            if isinstance(sessions, set):
                sessions.discard(session_id)
            if not sessions or sessions == session_id:
                del self._made_of[key]
