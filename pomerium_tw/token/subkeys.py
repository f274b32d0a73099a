"""One key, one purpose: every key in use is derived from a configured secret under a name of its own."""

from __future__ import annotations

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from ..model import Secret


def subkey(secret: Secret, purpose: str, length: int = 32) -> Secret:
    """``length`` bytes for ``purpose`` by HKDF-SHA256 without salt (RFC 5869).

    The same secret and purpose give the same key on every node; different purposes give unrelated keys.
    """
    info = b"pomerium_tw/" + purpose.encode()
    return Secret(HKDF(SHA256(), length, salt=None, info=info).derive(secret.reveal()))
