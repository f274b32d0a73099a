"""What the conversation needs, filled in by the service.

Settings, keys, records, providers, time and chance.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from urllib.parse import urlsplit

from twisted.internet.interfaces import IReactorTime

from ..databroker import IRecordStore, Mirror
from ..identity import IIdentityProvider
from ..model import Secret
from ..session import (
    FLOW_LIFETIME,
    ROUND_SECONDS,
    ROUTE_FLOW_LIFETIME,
    CookieSettings,
    FlowCookies,
    HandleCodec,
    Identities,
)
from ..token import Sealer, SignedURLs, subkey
from .destinations import Destinations
from .parameters import CALLBACK_PATH, PROVIDER_CALLBACK_PATH


@dataclass(frozen=True)
class Keys:
    """One key for each purpose.

    Proxies and the authenticate service share those made of the shared secret.
    """

    state: Sealer = field(repr=False)
    """The ``state`` parameter; read by the authenticate service alone."""
    login_flow: Sealer = field(repr=False)
    """Flow cookies of the authenticate host."""
    route_flow: Sealer = field(repr=False)
    """Flow cookies of route hosts; read by proxies alone."""
    hand_over: Sealer = field(repr=False)
    """The session handle on its way from the authenticate host to a route host. Shared."""
    sign_out: Sealer = field(repr=False)
    """The session that a route host asks to end. Shared."""
    tokens: Sealer = field(repr=False)
    """The provider's tokens in session records. Shared."""

    @classmethod
    def derive(
        cls,
        shared_secret: Secret,
        cookie_secret: Secret,
        shared_previous: Sequence[Secret] = (),
        cookie_previous: Sequence[Secret] = (),
    ) -> Keys:
        """Sub-keys of the two secrets; previous secrets still open what they sealed (DESIGN §7.13)."""

        def sealer(purpose: str, secret: Secret, previous: Sequence[Secret]) -> Sealer:
            return Sealer(subkey(secret, purpose), [subkey(older, purpose) for older in previous])

        return cls(
            state=sealer("sign-in-state", cookie_secret, cookie_previous),
            login_flow=sealer("sign-in-flow-cookie", cookie_secret, cookie_previous),
            route_flow=sealer("route-flow-cookie", cookie_secret, cookie_previous),
            hand_over=sealer("session-hand-over", shared_secret, shared_previous),
            sign_out=sealer("sign-out-request", shared_secret, shared_previous),
            tokens=sealer("session-tokens", shared_secret, shared_previous),
        )


@dataclass(frozen=True)
class Conversation:
    """Everything that signing in and out works with; one object per generation."""

    authenticate_url: str
    """External https URL of the authenticate service without path, such as ``https://auth.example.com``."""
    cookies: CookieSettings
    """In effect: with a domain only where the authenticate service lies in it (``CookieSettings.set_by``)."""
    keys: Keys
    urls: SignedURLs
    codec: HandleCodec
    store: IRecordStore
    mirror: Mirror
    identities: Identities
    providers: Mapping[str, IIdentityProvider]
    """Provider id → provider. Empty at a proxy whose authenticate service runs elsewhere."""
    clock: IReactorTime
    destinations: Destinations
    """Where sessions may be sent."""
    signout_redirect_url: str = ""
    """Where browsers end up after signing out; "": our own page."""
    random: Callable[[int], bytes] = os.urandom

    def now(self) -> float:
        """Seconds since the epoch."""
        return self.clock.seconds()

    @cached_property
    def authenticate_host(self) -> str:
        """Host name of the authenticate service, no port: the audience of its own sessions."""
        return urlsplit(self.authenticate_url).hostname or ""

    @property
    def provider_callback(self) -> str:
        """The redirect URI that is registered at the providers."""
        return self.authenticate_url + PROVIDER_CALLBACK_PATH

    @cached_property
    def login_flows(self) -> FlowCookies:
        """Sign-ins under way, on the authenticate host."""
        return FlowCookies(
            self.keys.login_flow,
            self.cookies.name,
            PROVIDER_CALLBACK_PATH,
            now=self.now,
            random=self.random,
            lifetime=FLOW_LIFETIME,
            own_host=True,
        )

    @cached_property
    def rounds(self) -> FlowCookies:
        """Pages that the browser was just sent to with a session, on the authenticate host."""
        return FlowCookies(
            self.keys.login_flow,
            self.cookies.name,
            "/",
            now=self.now,
            random=self.random,
            lifetime=ROUND_SECONDS,
            own_host=True,
        )

    @cached_property
    def route_flows(self) -> FlowCookies:
        """Sign-ins under way, on the route host where they began."""
        return FlowCookies(
            self.keys.route_flow,
            self.cookies.name,
            CALLBACK_PATH,
            now=self.now,
            random=self.random,
            lifetime=ROUTE_FLOW_LIFETIME,
        )
