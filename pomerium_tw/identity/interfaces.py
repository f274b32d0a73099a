# ruff: noqa: N805 - methods of a zope Interface are written without self
"""The plug-in point of this room: what an identity provider offers. Nothing in it is tied to OAuth."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from twisted.internet.defer import Deferred
from twisted.plugin import IPlugin
from zope.interface import Attribute, Interface

from ..model import Secret
from .client import BoundedClient
from .settings import ProviderSettings
from .values import Beginning, Capability, ProviderIdentity, SignInStart, Tokens


class IIdentityProvider(Interface):
    """Signs people in. Every Deferred may fail with ProviderError, whose ``temporary`` its callers heed.

    Building one must not touch the network: a provider that is down must not keep the proxy from starting.
    """

    name: str = Attribute("What people call it, on pages and in logs.")
    capabilities: Capability = Attribute("What it can do besides signing people in.")
    posts_callback: bool = Attribute(
        "Its answer arrives as a cross-site POST: cookies must be SameSite=None for it."
    )

    def begin(start: SignInStart) -> Deferred[Beginning]:
        """What to do with the browser so that the person can sign in."""

    def complete(parameters: Mapping[str, str], start: SignInStart) -> Deferred[ProviderIdentity]:
        """Who came back. ``parameters`` are the callback's, from query or form, each of which occurred once.

        Fails with AccessDeniedError, InvalidAnswerError, GrantRefusedError or ProviderUnavailableError.
        """

    def refresh(tokens: Tokens) -> Deferred[ProviderIdentity]:
        """New tokens and claims; the tokens given are spent.

        Fails with NotSupportedError without a refresh token.
        """

    def revoke(tokens: Tokens) -> Deferred[None]:
        """Makes the provider forget the tokens."""

    def sign_out_url(id_token_hint: Secret, post_logout_redirect: str) -> Deferred[str | None]:
        """The page that ends the provider's own session and then returns to ``post_logout_redirect``; None:
        it has none. An empty hint is left out."""

    def verify_access_token(token: Secret) -> Deferred[ProviderIdentity]:
        """Who holds this access token of the provider; fails with InvalidAnswerError when it is not good."""

    def verify_identity_token(token: Secret) -> Deferred[ProviderIdentity]:
        """Of whom this id token speaks; fails with InvalidAnswerError when it is not good."""


class IIdentityProviderFactory(IPlugin):
    """Makes providers of one kind. Found by ``twisted.plugin.getPlugins`` and in the entry point group
    ``pomerium_tw.identity_providers``; an object that implements this interface, not a class."""

    kind: str = Attribute("The value of ``idp_provider`` that means this kind.")
    settings_model: type[ProviderSettings] = Attribute(
        "Subclass of ProviderSettings that checks the settings."
    )

    def build(
        settings: ProviderSettings, client: BoundedClient, now: Callable[[], float]
    ) -> IIdentityProvider:
        """A provider of these settings, an instance of ``settings_model``. It gets nothing else: no other
        provider's settings, no way into the network but ``client``. ``now`` is in seconds since the
        epoch."""
