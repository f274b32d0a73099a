"""The token endpoint: redeeming, refreshing and revoking as one client (RFC 6749 §3.2, RFC 7009)."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote_plus

from ..model import Secret
from .client import Answer, BoundedClient
from .discovery import Metadata
from .errors import GrantRefusedError, ProviderError, ProviderUnavailableError
from .values import Tokens

MAX_TOKEN_SECONDS = 10 * 365 * 86400
"""Longest life of an access token that is believed; it keeps the times of records finite."""

_ERROR_CODE = re.compile(r"[a-z_]{1,64}")


class TokenEndpoint:
    """Speaks for one client id. ``now`` is in seconds since the epoch."""

    def __init__(
        self, client: BoundedClient, client_id: str, client_secret: Secret, now: Callable[[], float]
    ) -> None:
        self._client = client
        self._client_id = client_id
        self._client_secret = client_secret
        self._now = now

    async def redeem(self, metadata: Metadata, code: str, redirect_uri: str, verifier: Secret) -> Tokens:
        """The tokens for a code. Raises GrantRefusedError or ProviderError."""
        fields = {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri}
        if metadata.pkce:
            fields["code_verifier"] = verifier.reveal_text()
        return self._tokens(await self._post(metadata, metadata.token_endpoint, fields))

    async def refresh(self, metadata: Metadata, refresh_token: Secret) -> Tokens:
        """The tokens for a refresh token, which is kept when no new one comes. Raises as :meth:`redeem`."""
        fields = {"grant_type": "refresh_token", "refresh_token": refresh_token.reveal_text()}
        tokens = self._tokens(await self._post(metadata, metadata.token_endpoint, fields))
        if tokens.refresh_token:
            return tokens
        return Tokens(tokens.access_token, refresh_token, tokens.id_token, tokens.expires_at)

    async def revoke(self, metadata: Metadata, token: Secret, hint: str) -> None:
        """Raises ProviderError when the provider does not say that the token is gone."""
        fields = {"token": token.reveal_text(), "token_type_hint": hint}
        answer = await self._post(metadata, metadata.revocation_endpoint, fields)
        if answer.status != 200:
            raise _refusal(answer)

    async def _post(self, metadata: Metadata, url: str, fields: Mapping[str, str]) -> Answer:
        headers = {}
        fields = dict(fields)
        secret = self._client_secret.reveal_text()
        if secret and not metadata.secret_in_body:
            # Both parts are form-encoded first (RFC 6749 §2.3.1).
            pair = f"{quote_plus(self._client_id)}:{quote_plus(secret)}"
            headers["Authorization"] = "Basic " + b64encode(pair.encode()).decode()
        else:
            fields["client_id"] = self._client_id
            if secret:
                fields["client_secret"] = secret
        return await self._client.post_form(url, fields, headers)

    def _tokens(self, answer: Answer) -> Tokens:
        if answer.status != 200:
            raise _refusal(answer)
        value = answer.json()
        if not _text(value, "access_token"):
            raise ProviderError("the provider's token answer holds no access token")
        lifetime = value.get("expires_in")
        if isinstance(lifetime, str) and lifetime.isdecimal() and len(lifetime) < 12:
            lifetime = int(lifetime)  # some providers send text
        expires_at = None
        if isinstance(lifetime, int | float) and not isinstance(lifetime, bool):
            if not lifetime >= 0:  # NaN too, which Python reads
                raise ProviderError("the provider's token answer gives the access token no possible lifetime")
            expires_at = self._now() + min(lifetime, MAX_TOKEN_SECONDS)
        return Tokens.from_text(
            _text(value, "access_token"), _text(value, "refresh_token"), _text(value, "id_token"), expires_at
        )


def _text(value: Mapping[str, Any], name: str) -> str:
    found = value.get(name)
    # Tokens are printable ASCII (RFC 6749 appendix A): anything else is none.
    return found if isinstance(found, str) and found.isascii() and found.isprintable() else ""


def _refusal(answer: Answer) -> ProviderError:
    """The error behind an answer other than 200. Only its code is repeated.

    Descriptions have quoted tokens.
    """
    if answer.status >= 500 or answer.status == 429:
        return ProviderUnavailableError(f"the provider's token endpoint answers {answer.status}")
    try:
        code = _text(answer.json(), "error")
    except ProviderError:
        code = ""
    if not _ERROR_CODE.fullmatch(code):
        return ProviderError(f"the provider's token endpoint answers {answer.status}")
    if code == "invalid_grant":
        return GrantRefusedError(
            "the provider does not (or no longer) accept the code or token (invalid_grant)"
        )
    if code == "invalid_client":
        return ProviderError(
            "the provider does not know us (invalid_client): check idp_client_id and idp_client_secret"
        )
    return ProviderError(f"the provider's token endpoint refuses: {code}")
