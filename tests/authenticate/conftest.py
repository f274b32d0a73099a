from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.internet.task import Clock

from ..identity.openid_provider import OpenIdProvider
from .world import NOW, Browser, World


@pytest_twisted.async_yield_fixture
async def world() -> AsyncIterator[World]:
    clock = Clock()
    clock.advance(NOW)
    op = OpenIdProvider(clock.seconds)
    op.users["alice"] = {"email": "alice@example.com", "name": "Alice", "groups": ["staff"]}
    op.users["mallory"] = {"email": "mallory@example.com"}
    port = op.listen(reactor)
    world = World(clock, op, reactor)
    await world.start()
    yield world
    world.mirror.stop()
    await world.store.stop()
    await port.stopListening()


@pytest.fixture
def browser(world: World) -> Browser:
    return Browser(world)
