"""Codes, access tokens and refresh tokens: each leads to a grant, and dies with it."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass

from twisted.internet.interfaces import IReactorTime

from .bounded import Expiring
from .messages import AuthorizationRequest, is_verifier

CODE_LIFETIME = 60.0
"""Seconds in which a code must be redeemed."""

ACCESS_TOKEN_LIFETIME = 600.0
"""Seconds; short, so that the demonstration shows refreshes."""

GRANT_LIFETIME = 43_200.0
"""Seconds for which a sign-in can be refreshed."""

_CODE_MEMORY = 600.0
"""Seconds for which a redeemed code is remembered, to notice that it comes again."""

_GRANTS = 1_000
_TOKENS = 10_000


class InvalidGrantError(Exception):
    """Code or token is unknown, expired, used, or somebody else's (RFC 6749 §5.2)."""


@dataclass(frozen=True, slots=True)
class Grant:
    """What one person allowed one client by one sign-in."""

    client_id: str
    subject: str
    scope: tuple[str, ...]
    nonce: str
    auth_time: int
    """When the person signed in, seconds since the epoch."""


@dataclass(slots=True)
class _Code:
    grant_id: str
    redirect_uri: str
    challenge: str
    issued_at: float
    used: bool = False


@dataclass(slots=True)
class _RefreshToken:
    grant_id: str
    used: bool = False


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a client receives beside the ID token."""

    access_token: str
    refresh_token: str
    """"" unless the scope holds ``offline_access``."""


class Grants:
    """All grants and what leads to them; replays of codes and refresh tokens end the whole grant."""

    def __init__(self, clock: IReactorTime, random: Callable[[int], bytes]) -> None:
        self._clock = clock
        self._grants: Expiring[Grant] = Expiring(clock, random, lifetime=GRANT_LIFETIME, size=_GRANTS)
        self._codes: Expiring[_Code] = Expiring(clock, random, lifetime=_CODE_MEMORY, size=_GRANTS)
        self._access: Expiring[str] = Expiring(clock, random, lifetime=ACCESS_TOKEN_LIFETIME, size=_TOKENS)
        self._refresh: Expiring[_RefreshToken] = Expiring(
            clock, random, lifetime=GRANT_LIFETIME, size=_TOKENS
        )

    def issue_code(self, request: AuthorizationRequest, subject: str, auth_time: int) -> str:
        """A new grant, and the code that leads to it."""
        grant = Grant(request.client.id, subject, request.scope, request.nonce, auth_time)
        code = _Code(
            self._grants.put(grant), request.redirect_uri, request.code_challenge, self._clock.seconds()
        )
        return self._codes.put(code)

    def redeem_code(
        self, code: str, client_id: str, redirect_uri: str, verifier: str
    ) -> tuple[Grant, Tokens]:
        """Exchange a code, once (RFC 6749 §4.1.3, RFC 7636 §4.6). Raises InvalidGrantError.

        A second try revokes everything the first one gave. Any try uses the code up.
        """
        held = self._codes.get(code)
        if held is None:
            raise InvalidGrantError("the code is unknown or expired")
        grant = self._grants.get(held.grant_id)
        if grant is None or grant.client_id != client_id:
            raise InvalidGrantError("the code is unknown or expired")
        if held.used:
            self._grants.pop(held.grant_id)
            raise InvalidGrantError("the code was used before; all of its tokens are revoked")
        held.used = True
        if self._clock.seconds() >= held.issued_at + CODE_LIFETIME:
            raise InvalidGrantError("the code is unknown or expired")
        if redirect_uri != held.redirect_uri:
            raise InvalidGrantError("the redirect_uri differs from the authorization request's")
        _check_challenge(held.challenge, verifier)
        return grant, self._issue_tokens(held.grant_id, grant)

    def refresh(self, token: str, client_id: str) -> tuple[Grant, Tokens]:
        """Exchange a refresh token for new tokens, once (RFC 9700 §4.14.2). Raises InvalidGrantError."""
        held = self._refresh.get(token)
        grant = self._grants.get(held.grant_id) if held else None
        if held is None or grant is None or grant.client_id != client_id:
            raise InvalidGrantError("the refresh token is unknown, expired or revoked")
        if held.used:
            self._grants.pop(held.grant_id)
            raise InvalidGrantError("the refresh token was used before; all of its tokens are revoked")
        held.used = True
        return grant, self._issue_tokens(held.grant_id, grant)

    def by_access_token(self, token: str) -> Grant | None:
        """The grant behind a valid access token."""
        return self._grants.get(self._access.get(token) or "")

    def revoke(self, token: str, client_id: str) -> None:
        """End the grant behind a token of this client; unknown tokens are no error (RFC 7009)."""
        held = self._refresh.get(token)
        grant_id = held.grant_id if held else self._access.get(token) or ""
        grant = self._grants.get(grant_id)
        if grant is not None and grant.client_id == client_id:
            self._grants.pop(grant_id)

    def _issue_tokens(self, grant_id: str, grant: Grant) -> Tokens:
        refreshable = "offline_access" in grant.scope
        return Tokens(
            self._access.put(grant_id), self._refresh.put(_RefreshToken(grant_id)) if refreshable else ""
        )


def _check_challenge(challenge: str, verifier: str) -> None:
    """Challenge and verifier belong together: neither may be dropped (RFC 9700 §2.1.1)."""
    if not challenge:
        if verifier:
            raise InvalidGrantError(
                "a code_verifier came, but the authorization request had no code_challenge"
            )
        return
    digest = hashlib.sha256(verifier.encode("utf-8", "replace")).digest()
    made = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
    if not is_verifier(verifier) or not hmac.compare_digest(made, challenge):
        raise InvalidGrantError("the code_verifier does not fit the code_challenge")
