"""Identity providers.

The plug-in interface, the built-in providers, and the bounded HTTP client that they speak through.
"""

from .client import ANSWER_SECONDS, MAX_ANSWER_BYTES, Answer, BoundedClient
from .errors import (
    AccessDeniedError,
    GrantRefusedError,
    InvalidAnswerError,
    NotSupportedError,
    ProviderError,
    ProviderUnavailableError,
    UnknownProviderError,
)
from .interfaces import IIdentityProvider, IIdentityProviderFactory
from .registry import ProviderRegistry, find_factory
from .settings import ProviderSettings, provider_id
from .values import (
    Beginning,
    Capability,
    FormPost,
    OwnPage,
    ProviderIdentity,
    Redirect,
    SignInStart,
    Tokens,
)

__all__ = [
    "ANSWER_SECONDS",
    "MAX_ANSWER_BYTES",
    "AccessDeniedError",
    "Answer",
    "Beginning",
    "BoundedClient",
    "Capability",
    "FormPost",
    "GrantRefusedError",
    "IIdentityProvider",
    "IIdentityProviderFactory",
    "InvalidAnswerError",
    "NotSupportedError",
    "OwnPage",
    "ProviderError",
    "ProviderIdentity",
    "ProviderRegistry",
    "ProviderSettings",
    "ProviderUnavailableError",
    "Redirect",
    "SignInStart",
    "Tokens",
    "UnknownProviderError",
    "find_factory",
    "provider_id",
]
