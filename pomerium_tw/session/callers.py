"""Everything that the records of the mirror say of one caller (spec/ppl §4.1)."""

from __future__ import annotations

from collections.abc import Mapping

from ..databroker import (
    DEVICE_CREDENTIAL,
    DEVICE_ENROLLMENT,
    DIRECTORY_GROUP,
    DIRECTORY_USER,
    SESSION,
    USER,
    Mirror,
    Record,
)
from ..model import NO_DEVICES, Device, DirectoryGroup, DirectoryUser, Identity, Session, User
from .records import device_credentials, session_of, text_of, texts_of, user_of

CALLER_RECORDS = (SESSION, USER, DIRECTORY_USER, DIRECTORY_GROUP, DEVICE_CREDENTIAL, DEVICE_ENROLLMENT)
"""The record types that identities are made of: a mirror for them holds these."""

Key = tuple[str, str]
"""Type and id of a record."""


class CallerRecords:
    """Gathers one identity, and remembers what it asked for: changes of these records change the identity.

    Records that were not there count too: they may come.
    """

    def __init__(self, mirror: Mirror) -> None:
        self._mirror = mirror
        self.asked: set[Key] = set()
        self.reading: Record | None = None
        """The record that was read last: where one cannot be read, that one."""

    def identity(self, session_id: str) -> Identity | None:
        """None without a session, or where the session that is impersonated is missing.

        Raises KeyError, TypeError or ValueError for a record that cannot be read.
        """
        record = self._get(SESSION, session_id)
        if record is None:
            return None
        named = session_of(record)
        other = text_of(record.data, "impersonate_session_id", "")
        if not other:
            return self._of(record, named, None)
        impersonated = self._get(SESSION, other)
        return None if impersonated is None else self._of(impersonated, session_of(impersonated), named)

    def _of(self, record: Record, session: Session, presented: Session | None) -> Identity:
        return Identity(
            session,
            self._user(session.user_id),
            self._directory(session.user_id),
            self._devices(record),
            presented,
        )

    def _user(self, user_id: str) -> User | None:
        record = self._get(USER, user_id)
        return None if record is None else user_of(record)

    def _directory(self, user_id: str) -> DirectoryUser | None:
        record = self._get(DIRECTORY_USER, user_id)
        if record is None:
            return None
        email = None if record.data.get("email") is None else text_of(record.data, "email")
        groups = [self._group(group_id) for group_id in texts_of(record.data, "group_ids")]
        return DirectoryUser(user_id, email, tuple(groups))

    def _group(self, group_id: str) -> DirectoryGroup:
        record = self._get(DIRECTORY_GROUP, group_id)
        return DirectoryGroup(group_id, "" if record is None else text_of(record.data, "name", ""))

    def _devices(self, session: Record) -> Mapping[str, Device]:
        if "device_credentials" not in session.data:
            return NO_DEVICES
        self.reading = session
        devices = {}
        for kind, credential_id in device_credentials(session).items():
            credential = self._get(DEVICE_CREDENTIAL, credential_id)
            if credential is not None:
                devices[kind] = self._device(credential)
        return devices

    def _device(self, credential: Record) -> Device:
        enrollment_id = text_of(credential.data, "enrollment_id", "")
        enrollment = self._get(DEVICE_ENROLLMENT, enrollment_id) if enrollment_id else None
        if enrollment is None:
            return Device(credential.id)
        approved_by = text_of(enrollment.data, "approved_by", "")
        return Device(credential.id, enrolled=True, approved=bool(approved_by))

    def _get(self, record_type: str, record_id: str) -> Record | None:
        self.asked.add((record_type, record_id))
        self.reading = self._mirror.get(record_type, record_id)
        return self.reading
