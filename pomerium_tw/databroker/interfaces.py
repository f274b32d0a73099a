"""The plug-in point of this room: what a store of records offers, and the values it answers with."""

# ruff: noqa: N805 - methods of a zope interface are declared without self

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from twisted.internet.defer import Deferred
from zope.interface import Interface

from .records import Record

CHANGES_PAGE = 1_000
"""Changes in one answer of :meth:`IRecordStore.changes`."""

QUERY_LIMIT = 1_000
"""Records in one answer of :meth:`IRecordStore.query`."""

CHANGE_LIFETIME = 3_600.0
"""Seconds that change entries are kept (spec/identity §12.3)."""

CHANGE_LIMIT = 100_000
"""Change entries that a clean-up leaves at most, however young they are."""

NO_FILTER: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Written:
    """Answer to a write: the records as stored, in the order given, and the data set's newest version."""

    server_version: int
    record_version: int
    records: tuple[Record, ...]


@dataclass(frozen=True, slots=True)
class Found:
    """One page of a query."""

    server_version: int
    record_version: int
    records: tuple[Record, ...]
    total: int
    """How many records match, whatever the page."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Every present record at one moment, and the position from which to follow changes."""

    server_version: int
    record_version: int
    records: tuple[Record, ...]


@dataclass(frozen=True, slots=True)
class Changes:
    """The next changes after a position, oldest first, deletions included."""

    server_version: int
    record_version: int
    """The position to ask from next; it moves past changes of other types too."""
    records: tuple[Record, ...]
    more: bool
    """There were more changes than fit one answer."""


@dataclass(frozen=True, slots=True)
class CleanedUp:
    """What one clean-up removed."""

    sessions: int
    changes: int
    leases: int


class IRecordStore(Interface):
    """The data set of one installation (spec/identity §12). Several stores may share it, over processes too.

    *Server version* is random and names one life of the data set; *record version* grows by one with every
    change of any record. Any method may fail with StoreUnavailable; before ``start``, after ``stop`` all do.
    """

    def start() -> Deferred[None]:
        """Opens the store and begins to watch for changes made by others. To be called once."""

    def stop() -> Deferred[None]:
        """Ends the watching and closes the store; listeners hear no more."""

    def put(records: Sequence[Record]) -> Deferred[Written]:
        """Inserts or replaces all of the records or, on failure, none; versions follow the order given.

        A record with ``deleted_at`` deletes. At most MAX_BATCH records; fails with InvalidRecord.
        """

    def patch(record_type: str, record_id: str, fields: Mapping[str, Any]) -> Deferred[Record]:
        """Replaces these top-level fields of the data, leaving the others as they are at that moment.

        Fails with RecordNotFound (a deleted record is not revived) or InvalidRecord.
        """

    def get(record_type: str, record_id: str) -> Deferred[Record]:
        """The record; fails with RecordNotFound when it is missing or deleted."""

    def query(
        record_type: str,
        text: str = "",
        where: Mapping[str, Any] = NO_FILTER,
        offset: int = 0,
        limit: int = QUERY_LIMIT,
    ) -> Deferred[Found]:
        """Records of one type by id, ``limit`` (1 to QUERY_LIMIT) of them from ``offset`` on.

        ``text``: a substring, in any case, of the id or of any string in the data. ``where``: dotted path →
        value; each must equal the value found there, or a member of the list found there. Fails with
        ValueError for a page out of bounds.
        """

    def latest(record_type: str = "") -> Deferred[Snapshot]:
        """Every present record of the type, or of all types for ""."""

    def changes(server_version: int, record_version: int, record_type: str = "") -> Deferred[Changes]:
        """Changes after that position, of the type or of all types for ""; at most CHANGES_PAGE of them.

        Fails with StaleVersion when the position is of another life or older than the change log.
        """

    def subscribe(listener: Callable[[int], None]) -> Callable[[], None]:
        """Calls ``listener`` with the newest record version after changes by anybody; answers the way out.

        A ring tells no more than "ask now": several changes may share one.
        """

    def acquire_lease(name: str, duration: float) -> Deferred[str]:
        """Takes the lease for ``duration`` seconds and answers its secret id; fails with LeaseTaken."""

    def renew_lease(name: str, lease_id: str, duration: float) -> Deferred[None]:
        """Holds the lease for ``duration`` seconds from now; fails with LeaseTaken when it is lost."""

    def release_lease(name: str, lease_id: str) -> Deferred[None]:
        """Frees the lease; nothing happens when it is not (or no longer) held under this id."""

    def clean_up() -> Deferred[CleanedUp]:
        """Deletes expired sessions and leases, and change entries past CHANGE_LIFETIME or CHANGE_LIMIT.

        The newest change entry always stays: it holds the version.
        """
