"""The tables of the SQLite store, and how older ones become today's."""

from __future__ import annotations

import sqlite3

from .errors import StoreUnavailable

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        "CREATE TABLE data_set (server_version INTEGER NOT NULL)",
        """CREATE TABLE records (
            type TEXT NOT NULL,
            id TEXT NOT NULL,
            version INTEGER NOT NULL,
            data TEXT NOT NULL,
            modified_at REAL NOT NULL,
            expires_at REAL,
            PRIMARY KEY (type, id)
        ) WITHOUT ROWID""",
        "CREATE INDEX records_expiry ON records (expires_at) WHERE expires_at IS NOT NULL",
        """CREATE TABLE changes (
            version INTEGER PRIMARY KEY,
            type TEXT NOT NULL,
            id TEXT NOT NULL,
            data TEXT NOT NULL,
            modified_at REAL NOT NULL,
            deleted_at REAL
        )""",
        """CREATE TABLE leases (
            name TEXT PRIMARY KEY,
            id TEXT NOT NULL,
            expires_at REAL NOT NULL
        ) WITHOUT ROWID""",
    ),
)
"""Statements that lead from each schema number (its place here) to the next; once released, never changed."""


def migrate(connection: sqlite3.Connection, path: str, server_version: int) -> None:
    """Brings the tables up to date, within the caller's transaction; a new data set gets ``server_version``.

    Raises StoreUnavailable for a database of a later release or of another program.
    """
    (number,) = connection.execute("PRAGMA user_version").fetchone()
    if number > len(MIGRATIONS):
        raise StoreUnavailable(
            f"the database {path} was written by a later release (schema {number}, here {len(MIGRATIONS)}); "
            "run that release, or move the file away: everybody signs in again then"
        )
    if number == 0 and connection.execute("SELECT 1 FROM sqlite_master").fetchone():
        raise StoreUnavailable(f"the database {path} belongs to another program; choose another path")
    for statements in MIGRATIONS[number:]:
        for statement in statements:
            connection.execute(statement)
    connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
    if number == 0:
        connection.execute("INSERT INTO data_set VALUES (?)", (server_version,))
