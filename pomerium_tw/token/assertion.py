"""The signed proof of who is asking, one JWT for one route (spec/identity §10.1)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

from .signing import SigningKeys

ASSERTION_LIFETIME = 300
"""Seconds from ``iat`` to ``exp``."""

IssuerFormat = Literal["hostOnly", "uri"]


class AssertionSigner:
    """Writes assertions with the present signing key."""

    def __init__(self, keys: SigningKeys, now: Callable[[], float], new_id: Callable[[], str]) -> None:
        self._keys = keys
        self._now = now
        self._new_id = new_id

    def payload(
        self, host: str, claims: Mapping[str, Any], issuer_format: IssuerFormat = "hostOnly"
    ) -> dict[str, Any]:
        """What an assertion for the upstream behind ``host`` says; good for five minutes.

        ``claims`` say whom it speaks of; they never replace issuer, audience, id and times.
        """
        issued = int(self._now())
        return {
            **claims,
            "iss": f"https://{host}/" if issuer_format == "uri" else host,
            "aud": host,
            "jti": self._new_id(),
            "iat": issued,
            "exp": issued + ASSERTION_LIFETIME,
        }

    def unsigned(self, payload: Mapping[str, Any]) -> str:
        """The assertion but for its signature, for whoever makes several at once."""
        return self._keys.unsigned(payload)

    def signed(self, unsigned: str) -> str:
        """The assertion as a compact JWS, of what :meth:`unsigned` wrote."""
        return self._keys.signed(unsigned)
