"""What a store may answer instead of a result. Each says what happened, where, and what to do next."""

# ruff: noqa: N818 - these say what happened; "Error" would add nothing

from __future__ import annotations


class StoreError(Exception):
    """Root of every error of this room."""


class StoreUnavailable(StoreError):
    """The store cannot answer now. Readers fail closed: this is never "no such session"."""


class RecordNotFound(StoreError):
    """There is no such record, or it is deleted."""

    def __init__(self, record_type: str, record_id: str) -> None:
        super().__init__(f"there is no record {record_id!r} of type {record_type}")


class InvalidRecord(StoreError, ValueError):
    """The record cannot be stored: not JSON, too large, or without a type or id."""


class StaleVersion(StoreError):
    """The change log does not reach back to the reader's position: it must load everything anew."""


class LeaseTaken(StoreError):
    """Somebody else holds the lease, or the lease to be renewed is lost."""

    def __init__(self, name: str) -> None:
        super().__init__(f"the lease {name!r} is held by another")


def invalid_server_version() -> StaleVersion:
    """The reader's position belongs to another life of the data set (spec/identity §12.3)."""
    return StaleVersion("invalid server version")


def invalid_record_version() -> StaleVersion:
    """The reader's position is not covered by the change log (spec/identity §12.3)."""
    return StaleVersion("invalid record version")
