"""The state folder: private, written atomically."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pomerium_tw.model import Secret

from .errors import DemoError

_FOLDER_MODE = 0o700
_FILE_MODE = 0o600
_SECRETS_FILE = "secrets.json"
_SECRET_NAMES = ("shared_secret", "cookie_secret", "client_secret")
_SECRET_BYTES = 32


class StateFolder:
    """A folder that only its owner can read, made when it is missing."""

    def __init__(self, path: Path) -> None:
        """Raises DemoError when the folder cannot be had."""
        self.path = path.absolute()
        try:
            self.path.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
            self.path.chmod(_FOLDER_MODE)
        except OSError as error:
            raise DemoError(
                f"the state folder {self.path} cannot be used: {error.strerror}; "
                "choose another with --state-dir"
            ) from error

    def file(self, name: str) -> Path:
        """The absolute path of a file in the folder."""
        return self.path / name

    def read(self, name: str) -> bytes | None:
        """A file's content, None when there is none. Raises DemoError when it cannot be read."""
        try:
            return self.file(name).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise DemoError(f"{self.file(name)} cannot be read: {error.strerror}") from error

    def write(self, name: str, content: bytes) -> Path:
        """Put a file in place whole or not at all, mode 0600. Raises DemoError when that fails."""
        target = self.file(name)
        draft = self.file(f".{name}.{secrets.token_hex(4)}")
        try:
            handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _FILE_MODE)
            with os.fdopen(handle, "wb") as stream:
                stream.write(content)
            draft.replace(target)
        except OSError as error:
            draft.unlink(missing_ok=True)
            raise DemoError(f"{target} cannot be written: {error.strerror}") from error
        return target

    def lock(self) -> int:
        """A file descriptor that keeps the folder ours until it is closed. Raises DemoError when taken."""
        handle = os.open(self.file(".lock"), os.O_WRONLY | os.O_CREAT, _FILE_MODE)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(handle)
            raise DemoError(
                f"a demo is running in {self.path} already: end it, or choose another folder with --state-dir"
            ) from error
        return handle

    def append_to(self, name: str) -> int:
        """A file descriptor that adds to a file, mode 0600. Raises DemoError when it cannot be had."""
        try:
            return os.open(self.file(name), os.O_WRONLY | os.O_CREAT | os.O_APPEND, _FILE_MODE)
        except OSError as error:
            raise DemoError(f"{self.file(name)} cannot be written: {error.strerror}") from error

    def unreadable(self, name: str, problem: str) -> DemoError:
        """What to say of a file of ours that makes no sense."""
        return DemoError(f"{self.file(name)} {problem}; remove it (a new one is made) and start again")


@dataclass(frozen=True, slots=True)
class DemoSecrets:
    """Made once for a state folder and kept: sessions outlive a restart."""

    shared_secret: Secret
    """Base64 text, as the configuration wants it."""
    cookie_secret: Secret
    client_secret: Secret


def ensure_secrets(state: StateFolder, random: Callable[[int], bytes] = secrets.token_bytes) -> DemoSecrets:
    """Read the secrets, making them on the first start. Raises DemoError."""
    raw = state.read(_SECRETS_FILE)
    if raw is None:
        made = {name: base64.b64encode(random(_SECRET_BYTES)).decode() for name in _SECRET_NAMES}
        raw = json.dumps(made, indent=2).encode() + b"\n"
        state.write(_SECRETS_FILE, raw)
    try:
        values = json.loads(raw)
        kept = {name: values[name] for name in _SECRET_NAMES}
        if any(len(base64.b64decode(value, validate=True)) != _SECRET_BYTES for value in kept.values()):
            raise ValueError("wrong length")
    except (ValueError, KeyError, TypeError) as error:
        raise state.unreadable(_SECRETS_FILE, "does not hold the demo's secrets") from error
    return DemoSecrets(**{name: Secret(value) for name, value in kept.items()})
