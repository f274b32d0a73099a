"""Policy files as the commands take them: by name or on standard input, written back in one step."""

from __future__ import annotations

import errno
import os
import re
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import click

from policy_grammar import PolicySyntaxError
from pomerium_tw.config import MAX_POLICY_BYTES, Notation, decode_policy_text, notation_of, read_policy_bytes

STANDARD_INPUT = "-"

_SKIPPED = re.compile(r"(?:\s|#[^\n]*\n?)*")
_DATA = re.compile(r"""[-\[{%&!?|>'*]|"(?:[^"\\\n]|\\.)*"\s*:|[^\s"{}]+:(?:\s|$)""")


@dataclass(frozen=True, slots=True)
class Source:
    """One text with its name and notation."""

    name: str
    raw: bytes
    """As it was read."""
    text: str
    notation: Notation


def read_source(name: str) -> Source:
    """The text of a file, or of standard input, whose notation is told by its beginning.

    Raises PolicySyntaxError where it cannot be read or is beyond the limits.
    """
    if name != STANDARD_INPUT:
        path = Path(name)
        raw = read_policy_bytes(path)
        return Source(name, raw, decode_policy_text(raw, name), notation_of(path))
    raw = sys.stdin.buffer.read(MAX_POLICY_BYTES + 1)
    text = decode_policy_text(raw, "standard input")
    return Source("standard input", raw, text, "yaml" if looks_like_yaml(text) else "ppl")


def looks_like_yaml(text: str) -> bool:
    """Whether a text begins as YAML or JSON does: with a list, a bracket, or a key and its colon."""
    begin = _SKIPPED.match(text)
    return _DATA.match(text, begin.end() if begin else 0) is not None


def write_whole(path: Path, text: str) -> None:
    """Put a text in place of a file's content: readers see the old or the new one, never a part.

    A link stays a link; mode and owner stay what they were. Raises OSError and leaves the file alone.
    """
    target = Path(os.path.realpath(path))
    owner: tuple[int, int] | None = None
    try:
        found = target.stat()
    except FileNotFoundError:
        mode = 0o666 & ~_umask()
    else:
        mode, owner = found.st_mode & 0o7777, (found.st_uid, found.st_gid)
        if not mode & 0o222:
            raise PermissionError(errno.EACCES, "it is read-only")
    descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    written = Path(name)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as stream:
            if owner is not None and owner != (os.geteuid(), os.getegid()):
                os.fchown(stream.fileno(), *owner)
            os.fchmod(stream.fileno(), mode)
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        written.replace(target)
    except BaseException:
        written.unlink(missing_ok=True)
        raise


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def show(error: PolicySyntaxError | OSError, name: str) -> None:
    """Say on standard error what is wrong: the place, the line with a caret, the way out."""
    if isinstance(error, OSError):
        click.echo(f"{name}: the file cannot be written: {error.strerror}", err=True)
        return
    click.echo(str(error), err=True)
