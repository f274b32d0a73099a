"""The generic OpenID Connect provider (spec/identity §2.3): whatever publishes a discovery document."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlencode, urlsplit, urlunsplit

from pydantic import field_validator
from twisted.internet.defer import Deferred
from twisted.plugin import IPlugin
from zope.interface import implementer

from ..model import Secret
from ..token import encode
from .client import BoundedClient, check_address
from .discovery import Discovery, Metadata
from .errors import (
    AccessDeniedError,
    InvalidAnswerError,
    NotSupportedError,
    ProviderError,
    ProviderUnavailableError,
)
from .id_token import Expected, claims_once_verified, verify_id_token
from .interfaces import IIdentityProvider, IIdentityProviderFactory
from .jwks import ProviderKeys
from .oidc_tokens import TokenEndpoint
from .settings import ProviderSettings
from .userinfo import fetch_userinfo, merge_userinfo, with_quirks
from .values import Beginning, Capability, ProviderIdentity, Redirect, SignInStart, Tokens

DEFAULT_SCOPES = ("openid", "profile", "email", "offline_access")

OWN_PARAMETERS = frozenset(
    [
        "client_id",
        "code_challenge",
        "code_challenge_method",
        "nonce",
        "redirect_uri",
        "response_type",
        "scope",
        "state",
    ]
)
"""Parameters of the authorization request that the settings cannot replace."""


class OIDCSettings(ProviderSettings):
    """Settings of the kind ``oidc``: URL and client id are required."""

    @field_validator("url")
    @classmethod
    def _url(cls, value: str) -> str:
        if not value:
            raise ValueError("idp_provider_url is required: the issuer URL of the OpenID Provider")
        try:
            check_address(value)
        except ProviderError as error:
            raise ValueError(f"idp_provider_url: {error}") from None
        return value

    @field_validator("client_id")
    @classmethod
    def _client_id(cls, value: str) -> str:
        if not value:
            raise ValueError("idp_client_id is required: the provider's name for this installation")
        return value


@implementer(IIdentityProvider)
class OIDCProvider:
    """One OpenID Provider, spoken to as one client."""

    capabilities = (
        Capability.REFRESH
        | Capability.REVOKE
        | Capability.SIGN_OUT
        | Capability.VERIFY_ACCESS_TOKEN
        | Capability.VERIFY_IDENTITY_TOKEN
    )

    def __init__(self, settings: OIDCSettings, client: BoundedClient, now: Callable[[], float]) -> None:
        self._settings = settings
        self._client = client
        self._now = now
        self._discovery = Discovery(client, settings.url)
        self._keys = ProviderKeys(client, self._jwks_uri, now)
        self._tokens = TokenEndpoint(client, settings.client_id, settings.client_secret, now)
        self._parameters = {
            name: value
            for name, value in (settings.request_params or {}).items()
            if name not in OWN_PARAMETERS
        }
        self.name = urlsplit(settings.url).netloc
        self.posts_callback = self._parameters.get("response_mode") == "form_post"

    def begin(self, start: SignInStart) -> Deferred[Beginning]:
        return Deferred.fromCoroutine(self._begin(start))

    def complete(self, parameters: Mapping[str, str], start: SignInStart) -> Deferred[ProviderIdentity]:
        return Deferred.fromCoroutine(self._complete(parameters, start))

    def refresh(self, tokens: Tokens) -> Deferred[ProviderIdentity]:
        return Deferred.fromCoroutine(self._refresh(tokens))

    def revoke(self, tokens: Tokens) -> Deferred[None]:
        return Deferred.fromCoroutine(self._revoke(tokens))

    def sign_out_url(self, id_token_hint: Secret, post_logout_redirect: str) -> Deferred[str | None]:
        return Deferred.fromCoroutine(self._sign_out_url(id_token_hint, post_logout_redirect))

    def verify_access_token(self, token: Secret) -> Deferred[ProviderIdentity]:
        return Deferred.fromCoroutine(self._verify_access_token(token))

    def verify_identity_token(self, token: Secret) -> Deferred[ProviderIdentity]:
        return Deferred.fromCoroutine(self._verify_identity_token(token))

    async def _begin(self, start: SignInStart) -> Beginning:
        metadata = await self._discovery.get()
        parameters = {
            **self._parameters,
            "client_id": self._settings.client_id,
            "nonce": start.nonce,
            "redirect_uri": start.redirect_uri,
            "response_type": "code",
            "scope": " ".join(self._settings.scopes or DEFAULT_SCOPES),
            "state": start.state,
        }
        if metadata.pkce:
            challenge = encode(hashlib.sha256(start.code_verifier.reveal()).digest())
            parameters |= {"code_challenge": challenge, "code_challenge_method": "S256"}
        return Redirect(_with_parameters(metadata.authorization_endpoint, parameters))

    async def _complete(self, parameters: Mapping[str, str], start: SignInStart) -> ProviderIdentity:
        metadata = await self._discovery.get()
        _check_answer(parameters, metadata)
        tokens = await self._tokens.redeem(
            metadata, parameters["code"], start.redirect_uri, start.code_verifier
        )
        if not tokens.id_token:
            raise InvalidAnswerError("the provider sent no id token: is the scope openid among idp_scopes?")
        claims = await self._id_token_claims(metadata, tokens, start.nonce)
        return await self._identity(metadata, claims, tokens)

    async def _refresh(self, tokens: Tokens) -> ProviderIdentity:
        if not tokens.refresh_token:
            raise NotSupportedError("the session has no refresh token")
        metadata = await self._discovery.get()
        fresh = await self._tokens.refresh(metadata, tokens.refresh_token)
        before = claims_once_verified(tokens.id_token)
        if not fresh.id_token:
            fresh = Tokens(fresh.access_token, fresh.refresh_token, tokens.id_token, fresh.expires_at)
            return await self._identity(metadata, before, fresh)
        claims = await self._id_token_claims(metadata, fresh, None)
        if "sub" in before and before["sub"] != claims["sub"]:
            raise InvalidAnswerError("the refreshed id token is of somebody else (sub)")
        return await self._identity(metadata, claims, fresh)

    async def _revoke(self, tokens: Tokens) -> None:
        metadata = await self._discovery.get()
        if not metadata.revocation_endpoint:
            raise NotSupportedError(f"{self.name} offers no revocation")
        for token, hint in ((tokens.access_token, "access_token"), (tokens.refresh_token, "refresh_token")):
            if token:
                await self._tokens.revoke(metadata, token, hint)

    async def _sign_out_url(self, id_token_hint: Secret, post_logout_redirect: str) -> str | None:
        metadata = await self._discovery.get()
        if not metadata.end_session_endpoint:
            return None
        parameters = {"client_id": self._settings.client_id, "post_logout_redirect_uri": post_logout_redirect}
        if id_token_hint:
            parameters["id_token_hint"] = id_token_hint.reveal_text()
        return _with_parameters(metadata.end_session_endpoint, parameters)

    async def _verify_access_token(self, token: Secret) -> ProviderIdentity:
        metadata = await self._discovery.get()
        if not metadata.userinfo_endpoint:
            raise NotSupportedError(
                f"{self.name} offers no userinfo, so its access tokens cannot be verified"
            )
        claims = with_quirks(await fetch_userinfo(self._client, metadata, token))
        allowed = self._settings.access_token_allowed_audiences
        if allowed is not None and claims.get("aud") not in allowed:
            raise InvalidAnswerError("the access token is for an audience that is not allowed")
        return ProviderIdentity(user_id(claims), claims, Tokens(access_token=token))

    async def _verify_identity_token(self, token: Secret) -> ProviderIdentity:
        metadata = await self._discovery.get()
        claims = with_quirks(await self._id_token_claims(metadata, Tokens(id_token=token), None))
        return ProviderIdentity(user_id(claims), claims, Tokens(id_token=token))

    async def _id_token_claims(self, metadata: Metadata, tokens: Tokens, nonce: str | None) -> dict[str, Any]:
        expected = Expected(metadata.issuer, self._settings.client_id, nonce, tokens.access_token or None)
        try:
            token = tokens.id_token.reveal_text()
        except UnicodeDecodeError:
            raise InvalidAnswerError("the id token is not text") from None
        return await verify_id_token(token, self._keys, expected, self._now())

    async def _identity(self, metadata: Metadata, claims: dict[str, Any], tokens: Tokens) -> ProviderIdentity:
        if metadata.userinfo_endpoint:
            claims = merge_userinfo(claims, await fetch_userinfo(self._client, metadata, tokens.access_token))
        claims = with_quirks(claims)
        return ProviderIdentity(user_id(claims), claims, tokens)

    async def _jwks_uri(self) -> str:
        return (await self._discovery.get()).jwks_uri


def user_id(claims: Mapping[str, Any]) -> str:
    """``oid`` (Azure's stable id) if present, else ``sub``. Raises InvalidAnswerError when there is none."""
    for name in ("oid", "sub"):
        value = claims.get(name)
        if isinstance(value, str) and value:
            return value
    raise InvalidAnswerError("the provider names nobody: neither oid nor sub")


def _check_answer(parameters: Mapping[str, str], metadata: Metadata) -> None:
    issuer = parameters.get("iss", "")
    if issuer != metadata.issuer and (issuer or metadata.answers_name_issuer):
        raise InvalidAnswerError("the answer is of another provider (RFC 9207)")
    error = parameters.get("error", "")
    if error in ("access_denied", "unauthorized_client"):
        raise AccessDeniedError("the provider did not sign you in")
    if error in ("temporarily_unavailable", "server_error"):
        raise ProviderUnavailableError("the provider says that it cannot sign anybody in just now")
    if error:
        raise InvalidAnswerError("the provider refused the sign-in")
    if not parameters.get("code"):
        raise InvalidAnswerError("the provider's answer holds no code")


def _with_parameters(url: str, parameters: Mapping[str, str]) -> str:
    parts = urlsplit(url)
    query = "&".join(filter(None, (parts.query, urlencode(parameters))))
    return urlunsplit((parts.scheme, parts.netloc, parts.path, query, ""))


@implementer(IPlugin, IIdentityProviderFactory)
class OIDCFactory:
    """Makes providers of the kind ``oidc``."""

    kind = "oidc"
    settings_model = OIDCSettings

    def build(
        self, settings: ProviderSettings, client: BoundedClient, now: Callable[[], float]
    ) -> IIdentityProvider:
        if not isinstance(settings, OIDCSettings):
            raise TypeError("the oidc provider is built from OIDCSettings")
        return OIDCProvider(settings, client, now)


factory = OIDCFactory()
