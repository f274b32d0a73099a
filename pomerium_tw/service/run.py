"""The running service: generation, listener and what they stand on, as one Twisted service."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from twisted.application.service import IService, Service
from twisted.internet.defer import Deferred
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort, IProtocolFactory
from twisted.logger import Logger
from twisted.protocols.tls import TLSMemoryBIOFactory

from ..config import Address, ConfigError, Loaded, Problem, load
from ..proxy import Listener
from ..telemetry import LineWriter
from ..tls import ServerContexts, fallback_certificate
from .build import DryBuild, build_generation
from .parts import Parts
from .secrets import Secrets

log = Logger("pomerium.service")


def check(loaded: Loaded) -> list[Problem]:
    """What a dry build finds wrong with a configuration that loads (DESIGN §7.9)."""
    try:
        DryBuild.of(loaded, Secrets.of(loaded.settings))
    except ConfigError as error:
        return list(error.problems)
    return []


def make_service(
    config_path: str | None, environ: Mapping[str, str], writer: LineWriter | None = None, reactor: Any = None
) -> IService:
    """The proxy as a Twisted service. Raises ConfigError; nothing listens before it is started.

    ``writer`` takes access and authorize log; standard output by default.
    """
    loaded = load(Path(config_path) if config_path else None, environ)
    if reactor is None:
        from twisted.internet import reactor
    service: IService = PomeriumService(loaded, reactor, writer or LineWriter(sys.stdout.fileno(), reactor))
    return service


class PomeriumService(Service):
    """All four services in one process."""

    name = "pomerium"

    def __init__(self, loaded: Loaded, reactor: Any, writer: LineWriter) -> None:
        self._loaded = loaded
        self._reactor = reactor
        self._writer = writer
        self._parts = Parts.make(loaded.settings, reactor, writer)
        dry = DryBuild.of(loaded, self._parts.secrets)
        self._generation = build_generation(dry, self._parts, 1)
        parts = self._parts
        secure = not loaded.settings.insecure_server
        self._listener = Listener(
            self._generation, parts.finish, parts.sweep, parts.access_log, reactor, "https" if secure else "http"
        )
        self._factory: IProtocolFactory = self._listener
        if secure:
            certificates = dry.certificates or (fallback_certificate(reactor.seconds()),)
            self._factory = TLSMemoryBIOFactory(ServerContexts(certificates), False, self._listener)
        self._port: IListeningPort | None = None
        self.ready: Deferred[None] = Deferred()
        """Fires when the records are loaded and requests can be decided; fails when the store cannot be opened."""

    def privilegedStartService(self) -> None:
        self._listen()

    def startService(self) -> None:
        super().startService()
        for warning in self._loaded.warnings:
            log.warn("{warning}", warning=warning)
        self._listen()
        self._parts.sweep.start()
        starting = Deferred.fromCoroutine(self._start())
        starting.addErrback(lambda failure: log.failure("the databroker cannot be opened", failure))
        starting.chainDeferred(self.ready)

    async def _start(self) -> None:
        await self._parts.store.start()
        await self._parts.mirror.start()
        self._parts.clean_up.start()
        log.info("ready: {count} routes", count=len(self._generation.clusters))

    def _listen(self) -> None:
        if self._port is None:
            address = self._loaded.settings.address
            self._port = _listen(self._reactor, address, self._factory)
            log.info("listening on {address}", address=address)

    @property
    def port_number(self) -> int:
        """The port that the system gave when the configuration asked for 0."""
        assert self._port is not None  # noqa: S101 - asked before the service was started
        host: Any = self._port.getHost()
        return int(host.port)

    async def _stop(self) -> None:
        if self._port is not None:
            stopped = self._port.stopListening()
            if stopped is not None:
                await stopped
        self._listener.drain()
        self._generation.close()
        parts = self._parts
        parts.sweep.stop()
        parts.clean_up.stop()
        parts.mirror.stop()
        await parts.store.stop()
        await parts.threads.close()
        self._writer.flush()

    def stopService(self) -> Deferred[None]:
        super().stopService()
        return Deferred.fromCoroutine(self._stop())


def _listen(reactor: Any, address: Address, factory: IProtocolFactory) -> IListeningPort:
    """Bind; an empty host means every address, IPv4 and IPv6."""
    backlog = 1024
    if address.host:
        port: IListeningPort = reactor.listenTCP(address.port, factory, backlog, address.host)
        return port
    try:
        port = reactor.listenTCP(address.port, factory, backlog, "::")
    except CannotListenError as error:
        if error.socketError.errno is None:
            raise
        port = reactor.listenTCP(address.port, factory, backlog, "0.0.0.0")  # noqa: S104 - what "" means
    return port
