"""A proxy's signing side, small enough to misuse in every way."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from pomerium_tw.verify import AssertionVerifier

NOW = 1_900_000_000
HOST = "app.example.com"

_EC = ec.generate_private_key(ec.SECP256R1())
_RSA = rsa.generate_private_key(65537, 2048)
_ED = ed25519.Ed25519PrivateKey.generate()
_ALGORITHMS: dict[str, Any] = {
    "ES256": jwt.algorithms.ECAlgorithm,
    "ES256K": jwt.algorithms.ECAlgorithm,
    "ES384": jwt.algorithms.ECAlgorithm,
    "RS256": jwt.algorithms.RSAAlgorithm,
    "EdDSA": jwt.algorithms.OKPAlgorithm,
}


def public_jwk(private_key: Any, algorithm: str, **more: Any) -> dict[str, Any]:
    """The published form of a private key."""
    record = json.loads(_ALGORITHMS[algorithm].to_jwk(private_key.public_key()))
    record.pop("key_ops", None)
    return {**record, "use": "sig", "alg": algorithm, **more}


@dataclass
class Proxy:
    """Signs assertions and serves a JWKS, counting the fetches."""

    keys: dict[str, Any] = field(default_factory=lambda: {"ES256": _EC, "RS256": _RSA, "EdDSA": _ED})
    now: float = NOW
    fetched: list[str] = field(default_factory=list)
    answer: Callable[[], bytes] | None = None

    def jwks(self) -> list[dict[str, Any]]:
        return [public_jwk(key, name, kid=f"key-{name}") for name, key in self.keys.items()]

    def fetch(self, url: str) -> bytes:
        self.fetched.append(url)
        return self.answer() if self.answer else json.dumps({"keys": self.jwks()}).encode()

    def clock(self) -> float:
        return self.now

    def claims(self, **changes: Any) -> dict[str, Any]:
        claims = {
            "iss": HOST,
            "aud": HOST,
            "sub": "user-1",
            "user": "user-1",
            "email": "someone@example.com",
            "groups": ["staff", "admins"],
            "name": "Some One",
            "sid": "session-1",
            "jti": "1",
            "iat": NOW,
            "exp": NOW + 300,
            **changes,
        }
        return {name: value for name, value in claims.items() if value is not ...}

    def token(self, algorithm: str = "ES256", header: dict[str, Any] | None = None, **changes: Any) -> str:
        head = {"kid": f"key-{algorithm}", **(header or {})}
        # PyJWT refuses to write claims of a wrong type: sign the bytes instead
        payload = json.dumps(self.claims(**changes)).encode()
        return jwt.PyJWS().encode(payload, self.keys[algorithm], algorithm, headers=head)

    def verifier(self, **settings: Any) -> AssertionVerifier:
        return AssertionVerifier(HOST, fetch=self.fetch, clock=self.clock, **settings)


@pytest.fixture
def proxy() -> Proxy:
    return Proxy()
