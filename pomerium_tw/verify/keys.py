"""The proxy's public keys: read from its JWKS, kept, refreshed, never taken from a token (RFC 7517)."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from .errors import VerificationError, shown
from .fetch import MAX_DOCUMENT, FetchError
from .shape import MAX_KEY_ID, strict_json

Fetch = Callable[[str], bytes]
"""Gives the body found at a URL; blocking; bounded in time; raises on any failure."""

MAX_AGE = 300.0
"""Seconds after which keys are fetched again; while that fails the old ones stay in use."""

MAX_STALE = 86_400.0
"""Seconds after which keys that could not be refreshed are no longer believed."""

MIN_INTERVAL = 5.0
"""Seconds between two fetches, whatever tokens ask for."""

MAX_KEYS = 64
"""Entries of a JWKS that are read."""

MIN_RSA_BITS, MAX_RSA_BITS = 2_048, 8_192
"""Sizes of RSA modulus that are believed: smaller is weak, larger is a way to keep us busy."""

PublicKey = EllipticCurvePublicKey | Ed25519PublicKey | RSAPublicKey


@dataclass(frozen=True, slots=True)
class VerificationKey:
    """One public key and the one algorithm it is for."""

    algorithm: str
    """``ES256``, ``RS256`` or ``EdDSA``."""
    key: PublicKey


def read_key_set(body: bytes) -> dict[str, VerificationKey]:
    """The usable keys of a JWKS by ``kid``.

    Keys that we could not use safely (symmetric, private, weak, of another curve, for another algorithm or
    use, without a ``kid``) are left out, and so is a ``kid`` that two different keys share. Raises
    VerificationError when the document is not a JWKS.
    """
    if len(body) > MAX_DOCUMENT:
        raise VerificationError(f"the proxy's key set is larger than {MAX_DOCUMENT} bytes")
    entries = strict_json(body, "proxy's key set").get("keys")
    if not isinstance(entries, list):
        raise VerificationError("the proxy's key set has no list of keys")
    found: dict[str, VerificationKey] = {}
    ambiguous: set[str] = set()
    for entry in entries[:MAX_KEYS]:
        key = _read_key(entry)
        if key is None:
            continue
        key_id = entry["kid"]
        if key_id in found and found[key_id].key != key.key:
            ambiguous.add(key_id)
        found[key_id] = key
    return {key_id: key for key_id, key in found.items() if key_id not in ambiguous}


def _read_key(entry: Any) -> VerificationKey | None:
    if not isinstance(entry, Mapping) or "d" in entry or entry.get("use", "sig") != "sig":
        return None
    key_id = entry.get("kid")
    algorithm = _algorithm(entry)
    if algorithm is None or not isinstance(key_id, str) or not 0 < len(key_id) <= MAX_KEY_ID:
        return None
    try:
        key = jwt.PyJWK(dict(entry), algorithm=algorithm).key
    except (jwt.PyJWTError, ValueError, TypeError, KeyError):
        return None
    return VerificationKey(algorithm, key) if _is_sound(key) else None


def _algorithm(entry: Mapping[str, Any]) -> str | None:
    """The one algorithm of a key, from its type; None when it is not one of ours or contradicts itself."""
    match entry.get("kty"), entry.get("crv"):
        case "EC", "P-256":
            algorithm = "ES256"
        case "RSA", None:
            algorithm = "RS256"
        case "OKP", "Ed25519":
            algorithm = "EdDSA"
        case _:
            return None
    return algorithm if entry.get("alg", algorithm) == algorithm else None


def _is_sound(key: object) -> bool:
    if isinstance(key, RSAPublicKey):
        return MIN_RSA_BITS <= key.key_size <= MAX_RSA_BITS
    if isinstance(key, EllipticCurvePublicKey):
        return isinstance(key.curve, SECP256R1)
    return isinstance(key, Ed25519PublicKey)


class KeyCache:
    """Keys of one JWKS address, shared by threads.

    One fetch at a time, at most one in :data:`MIN_INTERVAL` seconds; a failed one changes no key.
    """

    def __init__(self, url: str, fetch: Fetch, clock: Callable[[], float]) -> None:
        self.url = url
        self._fetch = fetch
        self._clock = clock
        self._lock = threading.Lock()
        self._keys: dict[str, VerificationKey] = {}
        self._fetched_at = float("-inf")
        self._tried_at = float("-inf")
        self._problem = ""

    def find(self, key_id: str) -> VerificationKey:
        """The key of that id. Raises VerificationError when, as far as we could learn, there is none."""
        key = self._usable(key_id)
        if key is None or self._clock() - self._fetched_at >= MAX_AGE:
            self._refresh(wait=key is None)
            key = self._usable(key_id)
        if key is not None:
            return key
        if self._problem:
            raise VerificationError(f"the proxy's keys are not to be had: {self._problem}")
        raise VerificationError(f"the proxy at {self.url} publishes no usable key {shown(key_id)}")

    def _usable(self, key_id: str) -> VerificationKey | None:
        return self._keys.get(key_id) if self._clock() - self._fetched_at < MAX_STALE else None

    def _refresh(self, *, wait: bool) -> None:
        """Fetch unless it was just tried; a caller with a key in hand does not wait for another's fetch."""
        if not self._lock.acquire(blocking=wait):
            return
        try:
            now = self._clock()
            if not 0 <= now - self._tried_at < MIN_INTERVAL:
                self._tried_at = now
                self._replace(now)
        finally:
            self._lock.release()

    def _replace(self, now: float) -> None:
        try:
            keys = read_key_set(self._fetch(self.url))
        except (VerificationError, FetchError) as error:
            self._problem = str(error)
        except Exception as error:  # a caller's own fetch may raise anything; none of it proves a key
            self._problem = f"{self.url} could not be fetched ({type(error).__name__})"
        else:
            self._problem = "" if keys else f"{self.url} lists no usable key"
            if keys:
                self._keys, self._fetched_at = keys, now
