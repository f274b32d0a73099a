"""The databroker's one kind of value: a record, with JSON data and a version (spec/identity §12.1)."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from unicodedata import category

from .errors import InvalidRecord

SESSION = "type.googleapis.com/session.Session"
USER = "type.googleapis.com/user.User"
SERVICE_ACCOUNT = "type.googleapis.com/user.ServiceAccount"
DIRECTORY_USER = "pomerium.io/DirectoryUser"
DIRECTORY_GROUP = "pomerium.io/DirectoryGroup"
DEVICE_CREDENTIAL = "type.googleapis.com/pomerium.device.Credential"
DEVICE_ENROLLMENT = "type.googleapis.com/pomerium.device.Enrollment"

MAX_NAME_LENGTH = 512
"""Characters of a record's type, a record's id, or a lease's name."""

MAX_DATA_SIZE = 1024 * 1024
"""Bytes of one record's data as JSON."""

MAX_BATCH = 1_000
"""Records of one write; larger sets are written in slices, so that nobody waits long for the store."""


@dataclass(frozen=True, slots=True)
class Record:
    """One value of the data set at one version. Shared between readers: ``data`` must not be changed."""

    type: str
    """A type URL or a free string; see the constants of this module."""
    id: str
    version: int
    """Assigned by the store, growing over all types; 0 before the record is stored."""
    data: Mapping[str, Any] = field(repr=False)
    """JSON values only. Never printed: it may hold tokens."""
    modified_at: float
    """Seconds since the epoch, set by the store."""
    deleted_at: float | None = None
    """Seconds since the epoch; such a record is the news of a deletion and keeps its last data."""

    @classmethod
    def new(cls, record_type: str, record_id: str, data: Mapping[str, Any]) -> Record:
        """A record to be put."""
        return cls(record_type, record_id, 0, data, 0.0)

    def deletion(self, at: float) -> Record:
        """What to put to delete this record; ``at`` in seconds since the epoch (spec/identity §6.5)."""
        return replace(self, deleted_at=at)


def encode_data(data: Mapping[str, Any]) -> str:
    """Record data as compact ASCII JSON. Raises InvalidRecord for what is not JSON or too large."""
    try:
        text = json.dumps(dict(data), allow_nan=False, separators=(",", ":"), default=_as_json)
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidRecord(f"record data must be JSON: {error}") from None
    if len(text) > MAX_DATA_SIZE:
        raise InvalidRecord(f"record data of {len(text)} bytes is larger than {MAX_DATA_SIZE}")
    return text


def checked(records: Sequence[Record]) -> list[tuple[Record, str]]:
    """Records of one write with their encoded data. Raises InvalidRecord; then none may be written."""
    if len(records) > MAX_BATCH:
        raise InvalidRecord(f"{len(records)} records in one write: at most {MAX_BATCH} are taken")
    return [(_checked_head(record), encode_data(record.data)) for record in records]


def check_name(what: str, name: str) -> None:
    """Raises InvalidRecord unless ``name`` can name a ``what``."""
    if not 0 < len(name) <= MAX_NAME_LENGTH:
        raise InvalidRecord(f"a {what} must have 1 to {MAX_NAME_LENGTH} characters, not {len(name)}")
    if any(category(character) in ("Cc", "Cs") for character in name):
        raise InvalidRecord(f"a {what} must not hold control characters or half surrogates: {name!r}")


def expiry(record_type: str, data: Mapping[str, Any]) -> float | None:
    """When the store itself may delete the record (seconds since the epoch): sessions only; None is never."""
    at = data.get("expires_at") if record_type == SESSION else None
    if isinstance(at, bool) or not isinstance(at, int | float) or at <= 0:
        return None
    return float(at)


def _checked_head(record: Record) -> Record:
    check_name("record type", record.type)
    check_name("record id", record.id)
    if record.deleted_at is not None and not math.isfinite(record.deleted_at):
        raise InvalidRecord(f"deleted_at must be a time, not {record.deleted_at}")
    return record


def _as_json(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} is not a JSON type")
