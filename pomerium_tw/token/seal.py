"""Sealed values: confidential, authentic, and bound to where they belong."""

from __future__ import annotations

import os
from binascii import a2b_base64, b2a_base64
from collections.abc import Callable, Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCMSIV

from ..model import Secret

NONCE_BYTES = 12
MAX_SEALED_CHARACTERS = 16_384
"""Longest text that :meth:`Sealer.open` looks at: cookies and URLs, which carry ours, are shorter."""


_TO_URL, _FROM_URL = bytes.maketrans(b"+/", b"-_"), bytes.maketrans(b"-_", b"+/")


class SealError(ValueError):
    """The text was not sealed by one of our keys for this place."""


def encode(raw: bytes) -> str:
    """base64url without padding (RFC 4648 §5)."""
    return b2a_base64(raw, newline=False).translate(_TO_URL).rstrip(b"=").decode()


def decode(text: str) -> bytes:
    """Inverse of :func:`encode`; raises ValueError for anything it would not have written."""
    written = text.encode().translate(_FROM_URL)
    raw = a2b_base64(written + b"=" * (-len(written) % 4))
    if encode(raw) != text:
        raise ValueError("not canonical base64url")
    return raw


class Sealer:
    """AES-256-GCM-SIV (RFC 8452) under one key, with older keys still opening what they sealed.

    GCM-SIV keeps its promises even if a nonce should repeat. ``bound`` names the context (cookie name, host);
    its parts are length-prefixed: no byte can move from one to the next.
    """

    def __init__(
        self, key: Secret, previous: Sequence[Secret] = (), random: Callable[[int], bytes] = os.urandom
    ) -> None:
        self._ciphers = [AESGCMSIV(secret.reveal()) for secret in (key, *previous)]
        self._random = random

    def seal(self, plain: bytes, *bound: bytes) -> str:
        """Text safe for cookies and URLs."""
        nonce = self._random(NONCE_BYTES)
        return encode(nonce + self._ciphers[0].encrypt(nonce, plain, _context(bound)))

    def open(self, text: str, *bound: bytes) -> bytes:
        """What was sealed. Raises SealError when it is not ours, was changed, or belongs elsewhere."""
        if len(text) > MAX_SEALED_CHARACTERS:
            raise SealError("too long to be a sealed value")
        try:
            raw = decode(text)
        except ValueError as error:
            raise SealError("not a sealed value") from error
        nonce, sealed = raw[:NONCE_BYTES], raw[NONCE_BYTES:]
        for cipher in self._ciphers:
            try:
                return cipher.decrypt(nonce, sealed, _context(bound))
            except (InvalidTag, ValueError):
                continue
        raise SealError("the sealed value is not ours or was changed")


def _context(bound: tuple[bytes, ...]) -> bytes:
    return b"".join(len(part).to_bytes(4, "big") + part for part in bound)
