"""Records that all services share (sessions, users, accounts, directory data), their changes, and leases.

An :class:`IRecordStore` holds them (:class:`MemoryStore`, :class:`SQLiteStore`); a :class:`Mirror` is the
copy in memory that requests are decided from; :class:`CleanUp` removes what has had its time.
"""

from .clean_up import CleanUp
from .errors import InvalidRecord, LeaseTaken, RecordNotFound, StaleVersion, StoreError, StoreUnavailable
from .interfaces import Changes, CleanedUp, Found, IRecordStore, Snapshot, Written
from .memory import MemoryStore
from .mirror import Mirror
from .records import (
    DEVICE_CREDENTIAL,
    DEVICE_ENROLLMENT,
    DIRECTORY_GROUP,
    DIRECTORY_USER,
    MAX_BATCH,
    SERVICE_ACCOUNT,
    SESSION,
    USER,
    Record,
)
from .sqlite import SQLiteStore

__all__ = [
    "DEVICE_CREDENTIAL",
    "DEVICE_ENROLLMENT",
    "DIRECTORY_GROUP",
    "DIRECTORY_USER",
    "MAX_BATCH",
    "SERVICE_ACCOUNT",
    "SESSION",
    "USER",
    "Changes",
    "CleanUp",
    "CleanedUp",
    "Found",
    "IRecordStore",
    "InvalidRecord",
    "LeaseTaken",
    "MemoryStore",
    "Mirror",
    "Record",
    "RecordNotFound",
    "SQLiteStore",
    "Snapshot",
    "StaleVersion",
    "StoreError",
    "StoreUnavailable",
    "Written",
]
