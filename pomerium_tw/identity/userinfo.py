"""The UserInfo endpoint (OpenID Connect Core §5.3) and what providers are known to get wrong in it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..model import Secret
from .client import BoundedClient
from .discovery import Metadata
from .errors import InvalidAnswerError, ProviderError, ProviderUnavailableError


async def fetch_userinfo(client: BoundedClient, metadata: Metadata, access_token: Secret) -> dict[str, Any]:
    """The claims of whom the access token is for.

    Raises InvalidAnswerError when the provider does not take the token.
    """
    answer = await client.get(
        metadata.userinfo_endpoint, {"Authorization": f"Bearer {access_token.reveal_text()}"}
    )
    if answer.status >= 500 or answer.status == 429:
        raise ProviderUnavailableError(f"the provider's userinfo answers {answer.status}")
    if answer.status in (400, 401, 403):
        raise InvalidAnswerError(f"the provider's userinfo does not take the access token ({answer.status})")
    if answer.status != 200:
        raise ProviderError(f"the provider's userinfo answers {answer.status}")
    if answer.content_type == "application/jwt":
        raise ProviderError("the provider signs its userinfo: register this client for plain JSON userinfo")
    return answer.json()


def merge_userinfo(claims: Mapping[str, Any], userinfo: Mapping[str, Any]) -> dict[str, Any]:
    """``userinfo`` laid over id token claims.

    Raises InvalidAnswerError when they are of different people (Core §5.3.2).
    """
    if not userinfo.get("sub") or ("sub" in claims and userinfo["sub"] != claims["sub"]):
        raise InvalidAnswerError("the provider's userinfo is of somebody else (sub)")
    return {**claims, **userinfo}


def with_quirks(claims: Mapping[str, Any]) -> dict[str, Any]:
    """``email_verified`` as a boolean (Cognito sends text), ``mail`` for a missing ``email`` (Ping.

    Spec/identity §2.3).
    """
    fixed = dict(claims)
    if isinstance(fixed.get("email_verified"), str):
        fixed["email_verified"] = fixed["email_verified"].lower() == "true"
    mail = fixed.get("mail")
    if not fixed.get("email") and isinstance(mail, str) and "@" in mail:
        fixed["email"] = mail
    return fixed
