"""ID tokens: signing them, and recognising our own when they come back as a hint."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from typing import Any, NamedTuple

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from .grants import Grant

ID_TOKEN_LIFETIME = 300
"""Seconds."""

ALGORITHM = "RS256"
"""The one that every client must know (OpenID Connect Core §15.1)."""


class Hint(NamedTuple):
    """What an ID token that came back says; both are "" unless we signed it."""

    client_id: str
    subject: str


class IDTokens:
    """Signs with one RSA key and publishes it."""

    def __init__(self, issuer: str, key: RSAPrivateKey) -> None:
        self._issuer = issuer
        self._key = key
        self._public = key.public_key()
        record = jwt.algorithms.RSAAlgorithm.to_jwk(self._public, as_dict=True)
        thumbprint = json.dumps({name: record[name] for name in ("e", "kty", "n")}, separators=(",", ":"))
        self._key_id = hashlib.sha256(thumbprint.encode()).hexdigest()
        self._record = {name: record[name] for name in ("kty", "n", "e")}

    def jwks(self) -> dict[str, Any]:
        """The JWK set (RFC 7517); the ``kid`` is the hexadecimal thumbprint of RFC 7638."""
        return {"keys": [{**self._record, "use": "sig", "alg": ALGORITHM, "kid": self._key_id}]}

    def issue(self, grant: Grant, claims: Mapping[str, Any], access_token: str, now: float) -> str:
        """An ID token with ``at_hash`` (OpenID Connect Core §2, §3.1.3.6)."""
        digest = hashlib.sha256(access_token.encode()).digest()
        payload = {
            **claims,
            "iss": self._issuer,
            "sub": grant.subject,
            "aud": grant.client_id,
            "iat": int(now),
            "exp": int(now) + ID_TOKEN_LIFETIME,
            "auth_time": grant.auth_time,
            "at_hash": base64.urlsafe_b64encode(digest[:16]).rstrip(b"=").decode(),
        }
        if grant.nonce:
            payload["nonce"] = grant.nonce
        return jwt.encode(payload, self._key, ALGORITHM, headers={"kid": self._key_id})

    def read_hint(self, hint: str) -> Hint:
        """What an ID token of ours says, however old; empty for anything else (RP-Initiated Logout §2)."""
        try:
            claims = jwt.decode(
                hint,
                self._public,
                algorithms=[ALGORITHM],
                issuer=self._issuer,
                options={"verify_exp": False, "verify_iat": False, "verify_aud": False},
            )
        except jwt.PyJWTError:
            return Hint("", "")
        return Hint(str(claims.get("aud", "")), str(claims.get("sub", "")))
