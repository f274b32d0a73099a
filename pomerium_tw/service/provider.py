"""The identity provider of a configuration."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from ..config import Loaded, Problem, Settings
from ..identity import (
    BoundedClient,
    IIdentityProvider,
    IIdentityProviderFactory,
    ProviderRegistry,
    ProviderSettings,
    UnknownProviderError,
    provider_id,
)
from ..model import Secret

_KEYS = {
    "authenticate_url": "authenticate_service_url",
    "client_id": "idp_client_id",
    "client_secret": "idp_client_secret",
    "request_params": "idp_request_params",
    "scopes": "idp_scopes",
    "url": "idp_provider_url",
}
"""Field of a provider's settings → configuration key."""


class Provider:
    """The configured provider, dry: its settings are checked, nothing is asked of the network."""

    def __init__(self, loaded: Loaded, registry: ProviderRegistry | None = None) -> None:
        self.problems: list[Problem] = []
        self.id = ""
        """Names its sessions; "" without a provider."""
        self._factory: IIdentityProviderFactory | None = None
        self._settings: ProviderSettings | None = None
        settings = loaded.settings
        if not settings.idp_provider:
            return
        span = loaded.span("idp_provider")
        if settings.authenticate_service_url is None:
            message = "an identity provider needs authenticate_service_url"
            self.problems.append(Problem(span, message, "set it to https://authenticate.YOUR-DOMAIN"))
            return
        try:
            factory = (registry or ProviderRegistry()).find(settings.idp_provider)
        except UnknownProviderError as error:
            self.problems.append(Problem(span, str(error), "install a plugin for it, or correct the name"))
            return
        try:
            self._settings = factory.settings_model(**_values(settings))
        except ValidationError as error:
            for details in error.errors(include_url=False, include_input=False):
                key = _KEYS.get(str(details["loc"][0]) if details["loc"] else "", "idp_provider")
                message = details["msg"].removeprefix("Value error, ")
                if not message.startswith("idp_"):
                    message = f"{key}: {message}"
                self.problems.append(Problem(loaded.span(key), f"{settings.idp_provider}: {message}"))
            return
        self._factory = factory
        self.id = provider_id(self._settings)

    def build(self, reactor: Any, trust_pem: bytes) -> dict[str, IIdentityProvider]:
        """Provider id → provider."""
        if self._factory is None or self._settings is None:
            return {}
        return {
            self.id: self._factory.build(self._settings, BoundedClient(reactor, trust_pem), reactor.seconds)
        }


def _values(settings: Settings) -> dict[str, Any]:
    service = settings.authenticate_service_url
    return {
        "kind": settings.idp_provider,
        "authenticate_url": service.url if service else "",
        "url": settings.idp_provider_url,
        "client_id": settings.idp_client_id,
        "client_secret": settings.idp_client_secret or Secret(b""),
        "scopes": settings.idp_scopes or None,
        "request_params": settings.idp_request_params,
    }
