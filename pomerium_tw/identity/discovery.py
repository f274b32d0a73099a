"""What an OpenID Provider publishes about itself (OpenID Connect Discovery 1.0 §4, RFC 8414, RFC 9207)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .client import BoundedClient, check_address
from .errors import ProviderError, ProviderUnavailableError
from .shared import SharedFetch

WELL_KNOWN = "/.well-known/openid-configuration"


@dataclass(frozen=True, slots=True)
class Metadata:
    """The part of the document that we use. An endpoint that is not offered is the empty string."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str = ""
    revocation_endpoint: str = ""
    end_session_endpoint: str = ""
    pkce: bool = False
    """S256 is offered (RFC 7636); the plain method never counts."""
    secret_in_body: bool = False
    """Clients authenticate at the token endpoint by fields of the form, not by ``Authorization: Basic``."""
    answers_name_issuer: bool = False
    """Answers of the authorization endpoint always carry ``iss`` (RFC 9207 §3)."""


class Discovery:
    """Fetches the metadata of one issuer at first use, once.

    A failure is forgotten, so the next use tries again.
    """

    def __init__(self, client: BoundedClient, issuer: str) -> None:
        self._client = client
        self._issuer = issuer
        self._metadata: Metadata | None = None
        self._fetching = SharedFetch(self._fetch)

    async def get(self) -> Metadata:
        """Raises ProviderError."""
        if self._metadata is None:
            self._metadata = await self._fetching.get()
        return self._metadata

    async def _fetch(self) -> Metadata:
        answer = await self._client.get(self._issuer.rstrip("/") + WELL_KNOWN)
        if answer.status != 200:
            raise ProviderUnavailableError(f"{self._issuer}{WELL_KNOWN} answers {answer.status}")
        return read_metadata(answer.json(), self._issuer)


def read_metadata(document: Mapping[str, Any], issuer: str) -> Metadata:
    """The metadata of ``issuer``. Raises ProviderError when the document is of another, or unfit."""
    found = document.get("issuer")
    if found != issuer:
        raise ProviderError(
            f"the provider calls itself {found!r}, the settings call it {issuer!r}: "
            "set idp_provider_url to what it says"
        )
    methods = _texts(document, "token_endpoint_auth_methods_supported")
    return Metadata(
        issuer=issuer,
        authorization_endpoint=_endpoint(document, "authorization_endpoint", required=True),
        token_endpoint=_endpoint(document, "token_endpoint", required=True),
        jwks_uri=_endpoint(document, "jwks_uri", required=True),
        userinfo_endpoint=_endpoint(document, "userinfo_endpoint"),
        revocation_endpoint=_endpoint(document, "revocation_endpoint"),
        end_session_endpoint=_endpoint(document, "end_session_endpoint"),
        pkce="S256" in _texts(document, "code_challenge_methods_supported"),
        secret_in_body="client_secret_post" in methods and "client_secret_basic" not in methods,
        answers_name_issuer=document.get("authorization_response_iss_parameter_supported") is True,
    )


def _endpoint(document: Mapping[str, Any], name: str, *, required: bool = False) -> str:
    value = document.get(name)
    if value is None and not required:
        return ""
    if not isinstance(value, str):
        raise ProviderError(f"the provider's discovery document has no usable {name}")
    check_address(value)
    return value


def _texts(document: Mapping[str, Any], name: str) -> tuple[str, ...]:
    value = document.get(name)
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list) else ()
