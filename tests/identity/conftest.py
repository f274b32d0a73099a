from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.internet.task import Clock

from pomerium_tw.identity import BoundedClient, IIdentityProvider, find_factory

from .openid_provider import CLIENT_ID, CLIENT_SECRET, OpenIdProvider

NOW = 1_800_000_000


@pytest.fixture
def clock() -> Clock:
    clock = Clock()
    clock.advance(NOW)
    return clock


@pytest_twisted.async_yield_fixture
async def op(clock: Clock) -> AsyncIterator[OpenIdProvider]:
    provider = OpenIdProvider(clock.seconds)
    port = provider.listen(reactor)
    yield provider
    await port.stopListening()


def build_oidc(op: OpenIdProvider, clock: Clock, **settings: Any) -> IIdentityProvider:
    """A provider as the service builds it, speaking to ``op``."""
    factory = find_factory("oidc")
    values = {
        "kind": "oidc",
        "authenticate_url": "https://auth.example.com",
        "url": op.issuer,
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
        **settings,
    }
    return factory.build(factory.settings_model.model_validate(values), BoundedClient(reactor), clock.seconds)
