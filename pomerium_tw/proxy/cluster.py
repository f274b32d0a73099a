"""The upstreams of one route: where to connect, and which connections are free."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from itertools import cycle
from typing import cast

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress, IStreamClientEndpoint
from twisted.internet.protocol import Factory

from ..model import Upstream
from .response import ResponseRules
from .upstream import UpstreamConnection

MAX_IDLE = 128
"""Free connections kept per upstream."""


class _Connections(Factory):
    noisy = False

    def __init__(self, build: Callable[[], UpstreamConnection]) -> None:
        self._build = build

    def buildProtocol(self, addr: IAddress | None) -> UpstreamConnection:  # noqa: ARG002 (Twisted's signature)
        return self._build()


class Endpoint:
    """One ``to`` URL and its free connections."""

    def __init__(self, upstream: Upstream, endpoint: IStreamClientEndpoint, rules: ResponseRules) -> None:
        self.upstream = upstream
        self._endpoint = endpoint
        self._rules = rules
        self._free: deque[UpstreamConnection] = deque()
        self._closed = False

    def take(self) -> UpstreamConnection | None:
        """A free connection; the one used last is the one most surely still open."""
        while self._free:
            connection = self._free.pop()
            if connection.alive and connection.catch_up():
                return connection
        return None

    def connect(self) -> Deferred[UpstreamConnection]:
        """A new connection. Fails as the endpoint does: refused, unknown name, time-out, TLS."""
        connecting = self._endpoint.connect(_Connections(self._build))
        return cast("Deferred[UpstreamConnection]", connecting)

    def _build(self) -> UpstreamConnection:
        return UpstreamConnection(self._rules, self._idle, self._lost)

    def _idle(self, connection: UpstreamConnection) -> None:
        if self._closed or len(self._free) >= MAX_IDLE:
            connection.close()
        else:
            self._free.append(connection)

    def _lost(self, connection: UpstreamConnection) -> None:
        if connection in self._free:
            self._free.remove(connection)

    def close(self) -> None:
        """Close what is free now; what is in use closes when it becomes free."""
        self._closed = True
        while self._free:
            self._free.pop().close()


class Cluster:
    """Endpoints in turn, each as often as its weight says (spec/proxy §2.8)."""

    def __init__(self, name: str, endpoints: Sequence[Endpoint]) -> None:
        self.name = name
        self.endpoints = tuple(endpoints)
        turns = [endpoint for endpoint in endpoints for _ in range(endpoint.upstream.weight)]
        self._turns = cycle(turns)
        self._only = turns[0] if len(turns) == 1 else None

    def pick(self) -> Endpoint:
        return self._only or next(self._turns)

    def close(self) -> None:
        for endpoint in self.endpoints:
            endpoint.close()
