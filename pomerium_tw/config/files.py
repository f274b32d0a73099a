"""Files that a configuration names: resolved against its folder and read while it is loaded."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from pydantic import PlainValidator, ValidationInfo

from pomerium_tw.model import Secret

from . import pem
from .problem import DecodeError
from .values import word

MAX_FILE_BYTES = 10_000_000
"""Size of one file that a configuration names."""


@dataclass(frozen=True, slots=True)
class TextFile:
    """A file as it stood when the configuration was loaded."""

    path: Path
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class SecretFile:
    """A file that holds a secret, already decoded."""

    path: Path
    secret: Secret
    exposed: bool
    """Every user of the machine may read the file."""


@dataclass(frozen=True, slots=True)
class PEMFile:
    """A file of certificates, checked."""

    path: Path
    data: bytes = field(repr=False)


def resolve(value: Any, info: ValidationInfo) -> Path:
    """A path; a relative one starts at the folder of the configuration file (``info.context``)."""
    path = value if isinstance(value, Path) else Path(word(value))
    base = info.context if isinstance(info.context, Path) else Path.cwd()
    try:
        return base / path.expanduser()
    except RuntimeError:
        raise DecodeError("the home folder of ~ is unknown", "write the path out") from None


def read_text(value: Any, info: ValidationInfo) -> TextFile:
    """A UTF-8 text file."""
    path, data, _ = read_bytes(value, info)
    return TextFile(path, utf8(path, data))


def read_key_file(value: Any, info: ValidationInfo) -> SecretFile:
    """A file with the base64 of 32 bytes; surrounding blanks and line breaks are dropped."""
    path, data, exposed = read_bytes(value, info)
    with _naming(path):
        return SecretFile(path, pem.key_of_32_bytes(pem.ascii_text(data).strip()), exposed)


def read_secret_file(value: Any, info: ValidationInfo) -> SecretFile:
    """A file with a secret of any form; surrounding blanks and line breaks are dropped."""
    path, data, exposed = read_bytes(value, info)
    if not data.strip():
        raise DecodeError(f"{path}: the file is empty")
    return SecretFile(path, Secret(data.strip()), exposed)


def read_signing_keys(value: Any, info: ValidationInfo) -> SecretFile:
    """A file with signing keys: PEM, or base64 of PEM."""
    path, data, exposed = read_bytes(value, info)
    with _naming(path):
        return SecretFile(path, pem.signing_keys(pem.ascii_text(data)), exposed)


def read_private_key(value: Any, info: ValidationInfo) -> SecretFile:
    """A file with one private key (PEM)."""
    path, data, exposed = read_bytes(value, info)
    with _naming(path):
        return SecretFile(path, pem.private_key(data), exposed)


def read_certificates(value: Any, info: ValidationInfo) -> PEMFile:
    """A file with one or more certificates (PEM)."""
    path, data, _ = read_bytes(value, info)
    with _naming(path):
        return PEMFile(path, pem.certificates(data))


def read_bytes(value: Any, info: ValidationInfo, most: int = MAX_FILE_BYTES) -> tuple[Path, bytes, bool]:
    """Path and content of a file of at most so many bytes, and whether every user may read it."""
    path = resolve(value, info)
    try:
        with path.open("rb") as stream:
            data = stream.read(most + 1)
            exposed = bool(os.fstat(stream.fileno()).st_mode & stat.S_IROTH)
    except OSError as error:
        raise DecodeError(f"{path} cannot be read: {error.strerror}") from None
    if len(data) > most:
        raise DecodeError(f"{path} is longer than {most} bytes")
    return path, data, exposed


def utf8(path: Path, data: bytes) -> str:
    """The text of a file, without a byte order mark."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise DecodeError(f"{path}: the file is not UTF-8 text") from None


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Put the file's name before what is wrong with its content."""
    try:
        yield
    except DecodeError as fault:
        raise DecodeError(f"{path}: {fault.message}", fault.hint) from None


ConfigPath = Annotated[Path, PlainValidator(resolve)]
TextPath = Annotated[TextFile, PlainValidator(read_text)]
KeyPath32 = Annotated[SecretFile, PlainValidator(read_key_file)]
SecretPath = Annotated[SecretFile, PlainValidator(read_secret_file)]
SigningKeysPath = Annotated[SecretFile, PlainValidator(read_signing_keys)]
PrivateKeyPath = Annotated[SecretFile, PlainValidator(read_private_key)]
CertificatesPath = Annotated[PEMFile, PlainValidator(read_certificates)]
