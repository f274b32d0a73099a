"""The caller that the records of a case describe (spec/ppl §4.1)."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pomerium_tw.model import (
    Claims,
    Device,
    DirectoryGroup,
    DirectoryUser,
    Identity,
    Session,
    User,
)

Data = Mapping[str, Any]


def caller(given: Data) -> Identity:
    """Who asks by the input of a case: its session in use, and whose rights that session has.

    A session id behind which there is nothing (any more) leaves an identity without a session that still
    knows the id. Raises KeyError or ValueError for records that are none.
    """
    wanted = given.get("session_id") or (given.get("session") or {}).get("id", "")
    if not wanted:
        return Identity()
    records = _records(given)
    record = records.get(wanted)
    named = _session(record or {"id": wanted})
    other = (record or {}).get("impersonate_session_id")
    if other:
        record = records.get(other)
    if record is None:
        return Identity(presented=named)
    session = _session(record)
    return Identity(
        session,
        _user(given, session.user_id),
        _directory(given, session.user_id),
        _devices(given, record),
        named if other else None,
    )


def session_record(given: Data) -> Data:
    """The record of the session whose rights count, with the tokens that it may hold; empty for none."""
    session = caller(given).session
    return _records(given)[session.id] if session is not None else {}


def _records(given: Data) -> dict[str, Data]:
    """Every session that stands; a service account goes before a session of its id."""
    sessions = [*_listed(given, "sessions"), *_one(given, "session"), *_one(given, "service_account")]
    now = given.get("now", time.time())
    return {record["id"]: record for record in sessions if _expires_at(record) > now}


def _session(record: Data) -> Session:
    return Session(
        id=record["id"],
        user_id=record.get("user_id") or "",
        idp_id=record.get("idp_id") or "",
        issued_at=0.0,
        expires_at=_expires_at(record),
        claims=_claims(record),
    )


def _expires_at(record: Data) -> float:
    """Seconds since the epoch, from a number or an RFC 3339 time; a record without it lasts."""
    written = record.get("expires_at")
    if isinstance(written, str):
        return datetime.fromisoformat(written).timestamp()
    return float(written) if written else math.inf


def _user(given: Data, user_id: str) -> User | None:
    for record in (*_one(given, "user"), *_listed(given, "users")):
        if record["id"] == user_id:
            return User(user_id, record.get("name") or "", record.get("email") or "", _claims(record))
    return None


def _directory(given: Data, user_id: str) -> DirectoryUser | None:
    record = given.get("directory_user")
    if record is None or record["id"] != user_id:
        return None
    names = {group["id"]: group.get("name") or "" for group in _listed(given, "directory_groups")}
    groups = [DirectoryGroup(group_id, names.get(group_id, "")) for group_id in record.get("group_ids") or ()]
    return DirectoryUser(user_id, record.get("email"), tuple(groups))


def _devices(given: Data, session: Data) -> dict[str, Device]:
    """The first credential of each type, where its record is known."""
    stored = given.get("devices") or {}
    credentials = {record["id"]: record for record in _listed(stored, "credentials")}
    enrollments = {record["id"]: record for record in _listed(stored, "enrollments")}
    first: dict[str, str] = {}
    for entry in _listed(session, "device_credentials"):
        first.setdefault(entry["type_id"], entry.get("credential_id") or "")
    found = {}
    for kind, credential_id in first.items():
        if credential_id in credentials:
            enrollment = enrollments.get(credentials[credential_id].get("enrollment_id"))
            approved = enrollment is not None and bool(enrollment.get("approved_by"))
            found[kind] = Device(credential_id, enrollment is not None, approved)
    return found


def _claims(record: Data) -> Claims:
    return {name: tuple(values) for name, values in (record.get("claims") or {}).items()}


def _listed(given: Data, name: str) -> list[Data]:
    return list(given.get(name) or ())


def _one(given: Data, name: str) -> list[Data]:
    return [given[name]] if given.get(name) else []
