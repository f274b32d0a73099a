"""The stores that every test of conformance runs on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Protocol

import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.internet.task import Clock

from pomerium_tw.databroker import IRecordStore, MemoryStore, SQLiteStore
from pomerium_tw.transport import Threads

NOW = 1_700_000_000.0


class Stores(Protocol):
    """One data set, and ways into it."""

    clock: Clock

    async def open(self, change_limit: int = 100_000) -> IRecordStore:
        """A started store on the data set; another one with each call, where the kind allows it."""

    async def close(self) -> None: ...


class MemoryStores:
    def __init__(self, path: Path) -> None:
        self.clock = Clock()
        self.clock.advance(NOW)
        self._store: MemoryStore | None = None

    async def open(self, change_limit: int = 100_000) -> IRecordStore:
        if self._store is None:
            self._store = MemoryStore(self.clock, change_limit=change_limit)
            await self._store.start()
        return self._store

    async def close(self) -> None:
        if self._store is not None:
            await self._store.stop()


class SQLiteStores:
    def __init__(self, path: Path) -> None:
        self.clock = Clock()
        self.clock.advance(NOW)
        self.path = path / "state" / "databroker.sqlite"
        self._opened: list[tuple[SQLiteStore, Threads]] = []

    def new(self, change_limit: int = 100_000, busy_limit: float = 5.0) -> SQLiteStore:
        """A store that is not started yet."""
        threads = Threads(reactor, "databroker", 1)
        store = SQLiteStore(self.path, self.clock, threads, change_limit=change_limit, busy_limit=busy_limit)
        self._opened.append((store, threads))
        return store

    async def open(self, change_limit: int = 100_000) -> SQLiteStore:
        store = self.new(change_limit)
        await store.start()
        return store

    async def close(self) -> None:
        for store, threads in self._opened:
            await store.stop()
            await threads.close()


KINDS = {"memory": MemoryStores, "sqlite": SQLiteStores}
"""Whoever adds a store adds it here: it has to pass every test of test_conformance.py."""


@pytest_twisted.async_yield_fixture(params=sorted(KINDS))
async def stores(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Stores]:
    opened = KINDS[request.param](tmp_path)
    yield opened
    await opened.close()


@pytest_twisted.async_yield_fixture
async def sqlite(tmp_path: Path) -> AsyncIterator[SQLiteStores]:
    opened = SQLiteStores(tmp_path)
    yield opened
    await opened.close()
