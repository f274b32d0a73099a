"""Verifying one assertion: signature by our record of the key, then audience, issuer and times."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import Any

import jwt

from .assertion import Assertion
from .errors import VerificationError, shown
from .fetch import check_url, fetch_document
from .keys import Fetch, KeyCache
from .shape import inspect_token, strict_json

JWKS_PATH = "/.well-known/pomerium/jwks.json"
"""Where every route host publishes the keys (spec/identity §10.4)."""

LEEWAY = 60.0
"""Seconds that two clocks may differ (spec/identity §11)."""

MAX_SECONDS = 1 << 53
"""Times beyond what a JSON number holds exactly are refused."""

_signatures = jwt.PyJWS(options={"verify_signature": True})


class AssertionVerifier:
    """Verifies the assertions made for one host. Threads may share it; verifying may block on a fetch.

    :param audience: host name of the route, without port: what ``aud`` must hold.
    :param issuer: the accepted ``iss``, one or several, each compared exactly; unset means the two forms that
        the proxy writes for this host, ``host`` and ``https://host/`` (``jwt_issuer_format``).
    :param jwks_url: where the keys are; unset means the well-known place on the audience host, port 443.
    :param fetch: replaces our own HTTPS client: URL → body, raising on failure.
    :param leeway: seconds that the proxy's clock and ours may differ.
    :param ca_file: PEM file that replaces the system's trust store for the fetch.
    :param clock: gives seconds since the epoch.

    Raises ValueError when the settings themselves make no sense.
    """

    def __init__(
        self,
        audience: str,
        issuer: str | Collection[str] | None = None,
        jwks_url: str | None = None,
        *,
        fetch: Fetch | None = None,
        leeway: float = LEEWAY,
        ca_file: str | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        if not audience:
            raise ValueError("an audience is needed: the host name of the route, without port")
        if issuer is None:
            issuer = (audience, f"https://{audience}/")
        url = jwks_url or f"https://{audience}{JWKS_PATH}"
        check_url(url)
        self.audience = audience
        self.jwks_url = url
        self.issuers = frozenset((issuer,) if isinstance(issuer, str) else issuer)
        self._leeway = leeway
        self._clock = clock
        self._keys = KeyCache(url, fetch or partial(fetch_document, ca_file=ca_file), clock)

    def verify(self, token: str) -> Assertion:
        """What the assertion says, once everything about it holds.

        Raises VerificationError saying what does not.
        """
        shape = inspect_token(token)
        key = self._keys.find(shape.key_id)
        if shape.algorithm != key.algorithm:
            raise VerificationError(
                f"the assertion says {shown(shape.algorithm)}, but its key is for {key.algorithm}"
            )
        try:
            payload = _signatures.decode(token, key.key, algorithms=[key.algorithm])
        except jwt.PyJWTError as error:
            raise VerificationError(
                "the signature is not the proxy's: the assertion was altered or forged"
            ) from error
        claims = strict_json(payload, "assertion's payload")
        self._check_parties(claims)
        self._check_times(claims)
        return Assertion.from_claims(claims)

    def _check_parties(self, claims: Mapping[str, Any]) -> None:
        audience = claims.get("aud")
        members = audience if isinstance(audience, list) else [audience]
        if not any(isinstance(member, str) and member == self.audience for member in members):
            raise VerificationError(
                f"the assertion was made for {shown(audience)}, not for {self.audience!r}"
            )
        issuer = claims.get("iss")
        if not isinstance(issuer, str) or issuer not in self.issuers:
            wanted = " or ".join(repr(each) for each in sorted(self.issuers))
            raise VerificationError(f"the assertion was issued by {shown(issuer)}, not by {wanted}")

    def _check_times(self, claims: Mapping[str, Any]) -> None:
        now = self._clock()
        expires, issued = _seconds(claims, "exp"), _seconds(claims, "iat")
        if now >= expires + self._leeway:
            raise VerificationError(f"the assertion expired {now - expires:.0f} seconds ago")
        if issued > now + self._leeway:
            raise VerificationError("the assertion was issued in the future: do the clocks agree?")
        if "nbf" in claims and _seconds(claims, "nbf") > now + self._leeway:
            raise VerificationError("the assertion is not valid yet: do the clocks agree?")


def _seconds(claims: Mapping[str, Any], name: str) -> int:
    """A time claim as whole seconds since the epoch, as the proxy writes them (spec/threats JW-07)."""
    value = claims.get(name)
    if value is None:
        raise VerificationError(f"the assertion has no {name!r}")
    if type(value) is not int or not 0 <= value <= MAX_SECONDS:
        raise VerificationError(f"the assertion's {name!r} is not a time in seconds")
    return value
