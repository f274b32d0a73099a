"""The values that providers and their callers exchange."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Flag, auto
from types import MappingProxyType
from typing import Any

from ..model import Reply, Secret

_NO_SECRET = Secret(b"")
_EMPTY: Mapping[str, Any] = MappingProxyType({})


class Capability(Flag):
    """What a provider can do besides signing people in."""

    NONE = 0
    REFRESH = auto()
    REVOKE = auto()
    SIGN_OUT = auto()
    """It has a page at which its own session ends."""
    VERIFY_ACCESS_TOKEN = auto()
    VERIFY_IDENTITY_TOKEN = auto()


@dataclass(frozen=True, slots=True)
class SignInStart:
    """One sign-in under way.

    Made when it begins, remembered by the browser, shown again when it completes.
    """

    state: str
    """Opaque; must come back among the callback's parameters as ``state``."""
    nonce: str
    """Ties an id token to this sign-in (OpenID Connect Core §3.1.2.1)."""
    code_verifier: Secret
    """PKCE (RFC 7636 §4.1); a provider without PKCE leaves it alone."""
    redirect_uri: str
    """Where the answer is to be sent: the callback of the authenticate service."""


@dataclass(frozen=True, slots=True)
class Redirect:
    """Send the browser to the provider."""

    url: str


@dataclass(frozen=True, slots=True)
class FormPost:
    """Let the browser post these fields to the provider (the SAML POST binding)."""

    url: str
    fields: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class OwnPage:
    """Show this page, whose form posts to ``redirect_uri`` with ``state`` among its fields (LDAP)."""

    reply: Reply


Beginning = Redirect | FormPost | OwnPage
"""How a sign-in begins."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """What the provider issued. An empty secret: it did not issue that one."""

    access_token: Secret = _NO_SECRET
    refresh_token: Secret = _NO_SECRET
    id_token: Secret = _NO_SECRET
    expires_at: float | None = None
    """End of the access token, seconds since the epoch; None when the provider does not say."""

    @classmethod
    def from_text(
        cls, access_token: str, refresh_token: str, id_token: str, expires_at: float | None
    ) -> Tokens:
        return cls(Secret(access_token), Secret(refresh_token), Secret(id_token), expires_at)


@dataclass(frozen=True, slots=True)
class ProviderIdentity:
    """Whom the provider vouches for."""

    user_id: str
    """Never empty; the same at every sign-in of the same person."""
    claims: Mapping[str, Any] = field(default_factory=lambda: _EMPTY)
    """As the provider gave them: nested, JSON values."""
    tokens: Tokens = field(default_factory=Tokens)

    @property
    def name(self) -> str:
        return _text(self.claims.get("name"))

    @property
    def email(self) -> str:
        return _text(self.claims.get("email"))

    @property
    def groups(self) -> tuple[str, ...] | None:
        """The claim ``groups`` where it is a list of texts; None: the provider says nothing of groups."""
        groups = self.claims.get("groups")
        if isinstance(groups, list | tuple) and all(isinstance(group, str) for group in groups):
            return tuple(groups)
        return None


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
