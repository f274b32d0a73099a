"""A folder and a file that nobody but their owner may read: they hold sessions."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from .errors import StoreUnavailable

FOLDER_MODE = 0o700
FILE_MODE = 0o600


def make_private(database: Path) -> tuple[str, ...]:
    """Makes the database's folder (0700) and file (0600), or narrows their rights; answers what it narrowed.

    Raises StoreUnavailable when others could still read them. A folder that holds other things is never
    narrowed: it may be one that the machine needs open, such as /var/lib.
    """
    try:
        return (*_private_folder(database.parent, database.name), *_private_file(database))
    except OSError as error:
        raise StoreUnavailable(
            f"the database {database} cannot be made: {error.strerror} ({error.filename}); "
            "check the rights of its folder, or choose another folder"
        ) from error


def _private_folder(folder: Path, database_name: str) -> tuple[str, ...]:
    _make_folder(folder)
    found = folder.stat()
    mode = stat.S_IMODE(found.st_mode)
    if not mode & 0o077:
        return ()
    names = {entry.name for entry in folder.iterdir()}
    ours = found.st_uid == os.geteuid() and (not names or database_name in names) and not mode & stat.S_ISVTX
    if not ours:
        raise StoreUnavailable(
            f"the folder {folder} of the database is open to other users (mode {mode:04o}); "
            f"run `chmod 700 {folder}` if it holds nothing that they need, or choose a folder of its own"
        )
    folder.chmod(FOLDER_MODE)
    return (f"the folder {folder} was open to other users (mode {mode:04o}): it is {FOLDER_MODE:04o} now",)


def _make_folder(folder: Path) -> None:
    """With parents as private as itself: whoever may write to one of them could exchange the folder."""
    for each in (*reversed(folder.parents), folder):
        if not each.exists():
            each.mkdir(mode=FOLDER_MODE, exist_ok=True)


def _private_file(path: Path) -> tuple[str, ...]:
    # SQLite gives its -wal and -shm files the rights of the database.
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
    try:
        mode = stat.S_IMODE(os.fstat(handle).st_mode)
        if not mode & 0o077:
            return ()
        os.fchmod(handle, FILE_MODE)
    finally:
        os.close(handle)
    return (f"the database {path} was open to other users (mode {mode:04o}): it is {FILE_MODE:04o} now",)
