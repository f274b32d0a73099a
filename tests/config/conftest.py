"""A folder to write configurations into, and short ways to load them."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from pomerium_tw.config import ConfigError, Loaded, load

Load = Callable[..., Loaded]
Problems = Callable[..., list[str]]

HOME = {"HOME": "/home/somebody"}


@pytest.fixture
def loaded(tmp_path: Path) -> Load:
    """Write a text to config.yaml (or another name) and load it."""

    def run(text: str, environ: Mapping[str, str] | None = None, name: str = "config.yaml") -> Loaded:
        file = tmp_path / name
        file.write_text(text, encoding="utf-8")
        return load(file, {**HOME, **(environ or {})})

    return run


@pytest.fixture
def problems(loaded: Load, tmp_path: Path) -> Problems:
    """The problems of a text as ``line:column: message``."""

    def run(text: str, environ: Mapping[str, str] | None = None, name: str = "config.yaml") -> list[str]:
        with pytest.raises(ConfigError) as caught:
            loaded(text, environ, name)
        return [str(problem).removeprefix(f"{tmp_path / name}:") for problem in caught.value.problems]

    return run


@pytest.fixture
def warnings(loaded: Load, tmp_path: Path) -> Problems:
    """The warnings of a text as ``line:column: message``."""

    def run(text: str, environ: Mapping[str, str] | None = None, name: str = "config.yaml") -> list[str]:
        found = loaded(text, environ, name).warnings
        return [str(problem).removeprefix(f"{tmp_path / name}:") for problem in found]

    return run


def pem_pair(name: str = "app.example.com") -> tuple[bytes, bytes]:
    """A self-signed certificate and its key, both PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    start = datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(start)
        .not_valid_after(start + datetime.timedelta(days=36500))
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return certificate.public_bytes(serialization.Encoding.PEM), private
