"""Verifying an id token (OpenID Connect Core §3.1.3.7, §3.1.3.6)."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jwt

from ..model import Secret
from ..token import encode
from .errors import InvalidAnswerError
from .jwks import Jwk, ProviderKeys

LEEWAY = 60
"""Seconds by which the provider's clock may differ from ours."""
MAX_ID_TOKEN_CHARACTERS = 64 * 1024
"""A longer id token is refused."""
MAX_TIME = 2**53
"""Seconds from the epoch that a time may be: a longer number is none."""

_HASHES = {
    **{f"{family}{bits}": f"sha{bits}" for family in ("RS", "PS", "ES") for bits in (256, 384, 512)},
    "EdDSA": "sha512",
}
"""Algorithms that are accepted, all asymmetric, and the hash of each that ``at_hash`` uses."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What a good token must say."""

    issuer: str
    client_id: str
    nonce: str | None = None
    """None: the token does not come from a sign-in, so that none was sent."""
    access_token: Secret | None = None
    """The access token that came with it: ``at_hash``, when present, must be of it."""


async def verify_id_token(token: str, keys: ProviderKeys, expected: Expected, now: float) -> dict[str, Any]:
    """The claims of a good id token.

    Raises InvalidAnswerError saying which check failed, or ProviderError for the keys.
    """
    algorithm, key_id = _header(token)
    claims = _verify_signature(token, algorithm, await keys.candidates(key_id))
    _check_parties(claims, expected)
    _check_times(claims, now)
    if expected.nonce is not None and not _same(claims.get("nonce"), expected.nonce):
        raise InvalidAnswerError("the id token's nonce is not that of this sign-in")
    if expected.access_token is not None and "at_hash" in claims:
        _check_access_token_hash(claims["at_hash"], expected.access_token, algorithm)
    return claims


def claims_once_verified(token: Secret) -> dict[str, Any]:
    """The claims of an id token that was verified when it came and kept sealed since; {} without one."""
    if not token:
        return {}
    try:
        return dict(jwt.decode(token.reveal(), options={"verify_signature": False}))
    except (jwt.PyJWTError, ValueError, RecursionError):
        return {}


def _header(token: str) -> tuple[str, str | None]:
    if len(token) > MAX_ID_TOKEN_CHARACTERS:
        raise InvalidAnswerError("the id token is too long")
    try:
        header = jwt.get_unverified_header(token)
    except (jwt.PyJWTError, ValueError, RecursionError) as error:
        raise InvalidAnswerError("the id token is not a JWT") from error
    algorithm, key_id = header.get("alg"), header.get("kid")
    if algorithm not in _HASHES:
        raise InvalidAnswerError("the id token is not signed with an asymmetric algorithm that is known here")
    return algorithm, key_id


def _verify_signature(token: str, algorithm: str, candidates: Sequence[Jwk]) -> dict[str, Any]:
    for candidate in candidates:
        if candidate.get("alg", algorithm) != algorithm:
            continue  # a key is good for the one algorithm that it was made for
        try:
            key = jwt.PyJWK(dict(candidate), algorithm)
            # Times and parties are checked by ourselves: with our clock, and without optional checks.
            claims = jwt.decode(token, key, [algorithm], options=_SIGNATURE_ALONE)
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
            continue
        return dict(claims)
    raise InvalidAnswerError("the id token's signature is not by a key of the provider")


_SIGNATURE_ALONE: Any = {
    "verify_signature": True,
    **{f"verify_{claim}": False for claim in ("exp", "nbf", "iat", "aud", "iss", "sub", "jti")},
}


def _check_parties(claims: Mapping[str, Any], expected: Expected) -> None:
    if claims.get("iss") != expected.issuer:
        raise InvalidAnswerError("the id token is of another issuer")
    audience = claims.get("aud")
    audiences = [audience] if isinstance(audience, str) else audience
    if not isinstance(audiences, list) or expected.client_id not in audiences:
        raise InvalidAnswerError("the id token is for another client (aud)")
    # Several audiences without a word on whose token it is: nothing says that it was issued to us.
    if ("azp" in claims or len(audiences) > 1) and claims.get("azp") != expected.client_id:
        raise InvalidAnswerError("the id token was issued to another client (azp)")
    subject = claims.get("sub")
    if not isinstance(subject, str) or not subject:
        raise InvalidAnswerError("the id token names nobody (sub)")


def _check_times(claims: Mapping[str, Any], now: float) -> None:
    expires, issued, not_before = _time(claims, "exp"), _time(claims, "iat"), _time(claims, "nbf", 0.0)
    if now >= expires + LEEWAY:
        raise InvalidAnswerError("the id token has expired: are the clocks right?")
    if max(issued, not_before) > now + LEEWAY:
        raise InvalidAnswerError("the id token is from the future: are the clocks right?")


def _time(claims: Mapping[str, Any], name: str, default: float | None = None) -> float:
    value = claims.get(name, default)
    # JSON's numbers have no bounds, and Python reads NaN and Infinity too, which no comparison would stop.
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= MAX_TIME:
        raise InvalidAnswerError(f"the id token has no usable {name}")
    return float(value)


def _check_access_token_hash(found: object, access_token: Secret, algorithm: str) -> None:
    digest = hashlib.new(_HASHES[algorithm], access_token.reveal()).digest()
    if not _same(found, encode(digest[: len(digest) // 2])):
        raise InvalidAnswerError("the access token is not the one that the id token speaks of (at_hash)")


def _same(found: object, expected: str) -> bool:
    return isinstance(found, str) and hmac.compare_digest(found.encode("utf-8", "replace"), expected.encode())
