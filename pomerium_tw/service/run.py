"""The running service: generation, listener and what they stand on, as one Twisted service."""

from __future__ import annotations

import errno
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from twisted.application.service import Service
from twisted.internet import defer
from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort, IProtocolFactory
from twisted.logger import Logger
from twisted.python.failure import Failure

from ..config import Address, ConfigError, Loaded, Problem, Settings, load
from ..databroker import StoreUnavailable
from ..proxy import Admission, Listener, RedirectListener
from ..telemetry import LineWriter, LogThread
from ..tls import ServerContexts, fallback_certificate
from ..transport import STOPPED_AGAIN, ServerTLS, Threads, listen, turn_end_of
from . import garbage
from .beforehand import load_beforehand
from .build import DryBuild, build_generation
from .limits import allow_descriptors, connection_limits
from .parts import Parts
from .reloading import HangUp, giving_way, keep_routes, kept_of, lines_of
from .secrets import Secrets

log = Logger("pomerium.service")

STANDARD_OUTPUT = 1
"""File descriptor of the logs."""
BACKLOG = 1024
"""Connections that may wait to be accepted."""
GRACE_SECONDS = 10.0
"""How long exchanges may take to end when the service stops."""
BUILD_LIMIT = 600.0
"""Seconds until a newer configuration is given up: 10,000 routes take ten, beside traffic longer."""
_NO_IPV6 = frozenset((errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL))


class Findings(NamedTuple):
    """What is wrong with a configuration, and what may be."""

    problems: tuple[Problem, ...]
    warnings: tuple[Problem, ...]


def check(loaded: Loaded, now: Callable[[], float] = time.time) -> Findings:
    """What loading and a dry build have to say of a configuration (DESIGN §7.9). ``now``: as in DryBuild."""
    try:
        dry = DryBuild.of(loaded, Secrets.of(loaded.settings), now)
    except ConfigError as error:
        return Findings(error.problems, error.warnings)
    return Findings((), (*loaded.warnings, *loaded.left_out, *dry.warnings))


def make_service(
    config_path: str | None, environ: Mapping[str, str], writer: LineWriter | None = None
) -> PomeriumService:
    """The proxy as a Twisted service. Raises ConfigError; nothing listens before it is started.

    ``writer`` takes access and authorize log; standard output by default.
    """
    source = configuration(config_path, environ)
    loaded = source()
    from twisted.internet import reactor

    return PomeriumService(loaded, reactor, writer or LineWriter(LogThread(STANDARD_OUTPUT), reactor), source)


def configuration(config_path: str | None, environ: Mapping[str, str]) -> Callable[[], Loaded]:
    """Reads the configuration, each time as it then is. Raises ConfigError."""
    return partial(load, Path(config_path) if config_path else None, environ)


class PomeriumService(Service):
    """All four services in one process."""

    name = "pomerium"

    def __init__(
        self, loaded: Loaded, reactor: Any, writer: LineWriter, source: Callable[[], Loaded] | None = None
    ) -> None:
        """``source`` reads the configuration again; without it a reload finds the one that is running."""
        self._loaded = loaded
        self._source = source or (lambda: loaded)
        self._hang_up = HangUp(reactor, self.reload)
        self._reading: Threads | None = None
        """Where the last reload reads."""
        self._reactor = reactor
        self._writer = writer
        load_beforehand()
        self._parts = Parts.make(loaded.settings, reactor, writer)
        dry = DryBuild.of(loaded, self._parts.secrets, reactor.seconds)
        self._build_warnings = dry.warnings
        self._generation = build_generation(dry, self._parts, 1)
        parts = self._parts
        parts.lasting.decide = lambda exchange: self._generation.allows(exchange)
        secure = not loaded.settings.insecure_server
        self._admission = Admission(reactor, connection_limits(loaded.settings))
        self._listener = Listener(
            self._generation,
            parts.finish,
            parts.sweep,
            parts.access_log,
            reactor,
            "https" if secure else "http",
            admission=self._admission,
            at_turn_end=turn_end_of(reactor),
        )
        self._redirects = RedirectListener(
            reactor,
            parts.sweep,
            self._admission,
            self._generation.timeouts,
            access_log=parts.access_log,
            new_request_id=self._listener.new_request_id,
        )
        self._tls: ServerTLS | None = None
        if secure:
            self._tls = ServerContexts(dry.certificates or (fallback_certificate(reactor.seconds()),))
        self._port: IListeningPort | None = None
        self._redirect_port: IListeningPort | None = None
        self._cleans_up = False
        self._starting: Deferred[None] = succeed(None)
        self.ready: Deferred[None] = Deferred()
        """Fires when records are loaded and requests can be decided; fails when the store cannot be opened.

        Does neither when the service is stopped first.
        """

    def privilegedStartService(self) -> None:
        self._listen()

    def startService(self) -> None:
        super().startService()
        garbage.look_seldom()
        for warning in (*self._loaded.warnings, *self._loaded.left_out, *self._build_warnings):
            log.warn("{warning}", warning=warning)
        self._listen()
        allow_descriptors(self._admission.limits)
        self._parts.sweep.start()
        self._parts.lasting.start()
        self._hang_up.start()
        self._starting = Deferred.fromCoroutine(self._start())

    def reload(self) -> Deferred[tuple[Problem, ...]]:
        """Read the configuration again and decide by it from then on; SIGHUP does the same.

        It is read and checked in a thread, while requests are answered. Those under way end as they began.
        A configuration with problems changes nothing: they are logged and given back. That it has no routes
        any more is one. Keys of what is made once for a process keep their values until the next start.
        """
        return Deferred.fromCoroutine(self._reload())

    async def _reload(self) -> tuple[Problem, ...]:
        # Of its own: the thread of one that never ends, on a file that never comes, holds up no other.
        reading = self._reading = Threads(self._reactor, "configuration", 1, BUILD_LIMIT)
        try:
            dry, kept = await reading.run(self._read_again, self._loaded.settings)
        except ConfigError as error:
            for line in lines_of(error.problems):
                log.error("reload: {problem}", problem=line)  # noqa: TRY400 - says it all
            log.error("reload: nothing was changed, the old configuration decides")  # noqa: TRY400
            return error.problems
        finally:
            reading.close()
        if self.running:
            self._take_over(dry, kept)
        return ()

    def _read_again(self, running: Settings) -> tuple[DryBuild, tuple[Problem, ...]]:
        """All that can be done beside the reactor, and what is said of keys that keep their values."""
        with giving_way():
            loaded, kept = kept_of(running, self._source())
            keep_routes(running, loaded)
            return DryBuild.of(loaded, self._parts.secrets, self._reactor.seconds), kept

    def _take_over(self, dry: DryBuild, kept: tuple[Problem, ...]) -> None:
        loaded = dry.loaded
        before, number = self._generation, self._generation.number + 1
        self._generation = self._listener.generation = build_generation(dry, self._parts, number)
        self._redirects.timeouts = self._generation.timeouts
        self._admission.limits = connection_limits(loaded.settings)
        self._loaded = loaded
        before.close()
        self._parts.lasting.all_changed()
        garbage.settle()
        for line in lines_of((*loaded.warnings, *kept, *dry.warnings)):
            log.warn("reload: {warning}", warning=line)
        log.info(
            "reloaded, generation {number}, routes: {count}",
            number=number,
            count=len(loaded.settings.all_routes),
        )

    async def _start(self) -> None:
        try:
            await self._parts.store.start()
            if self.running:
                await self._parts.mirror.start()
        except StoreUnavailable as error:
            if self.running:
                log.error("the databroker cannot be opened: {error}", error=error)  # noqa: TRY400 - says it all
                self.ready.errback(Failure())
            return
        if self.running:
            self._parts.clean_up.start()
            self._cleans_up = True
            garbage.settle()
            log.info("ready, routes: {count}", count=len(self._loaded.settings.all_routes))
            self.ready.callback(None)

    def _listen(self) -> None:
        settings = self._loaded.settings
        if self._port is None:
            self._port = _listen(
                self._reactor,
                settings.address,
                self._listener,
                tls=self._tls,
                proxy_protocol=settings.use_proxy_protocol,
                not_accepted=self._admission.not_accepted,
            )
            log.info("listening on {address.host}, port {address.port}", address=self._port.getHost())
        redirect = settings.http_redirect_addr
        if redirect is not None and self._redirect_port is None:
            self._redirect_port = _listen(
                self._reactor,
                redirect,
                self._redirects,
                proxy_protocol=settings.use_proxy_protocol,
                not_accepted=self._admission.not_accepted,
            )
            address = self._redirect_port.getHost()
            log.info("redirecting to HTTPS on {address.host}, port {address.port}", address=address)

    @property
    def port_number(self) -> int:
        """The port that the system gave when the configuration asked for 0."""
        return _number(self._port)

    @property
    def redirect_port_number(self) -> int:
        """The same of ``http_redirect_addr``."""
        return _number(self._redirect_port)

    @property
    def writes_lines(self) -> bool:
        """Access or authorize log is on: standard output has to lead somewhere."""
        return self._parts.writes_lines

    def close_log(self) -> None:
        """Wait until the last lines are written; for a process that ends without Python's own end."""
        self._writer.close()

    async def _stop(self) -> None:
        self._hang_up.stop()
        read = self._reading.close() if self._reading is not None else succeed(None)
        for port in (self._port, self._redirect_port):
            stopped = port.stopListening() if port is not None else None
            if stopped is not None:
                await stopped
        self._redirects.abort()
        await self._let_end()
        self._generation.close()
        parts = self._parts
        parts.sweep.stop()
        self._admission.stop()
        parts.lasting.stop()
        if self._cleans_up:
            parts.clean_up.stop()
        parts.mirror.stop()
        await self._starting
        await parts.store.stop()
        await parts.threads.close()
        await read
        self._writer.flush()

    async def _let_end(self) -> None:
        """What is under way has GRACE_SECONDS, unless the process is told to stop once more."""
        draining = self._listener.drain()
        again = self._reactor.addSystemEventTrigger("during", STOPPED_AGAIN, draining.cancel)
        try:
            await draining.addTimeout(GRACE_SECONDS, self._reactor)
        except defer.CancelledError:
            log.warn("told again to stop: exchanges under way are cut")
            self._listener.abort()
            return
        except defer.TimeoutError:
            log.warn("exchanges that take longer than {grace:g} seconds are cut", grace=GRACE_SECONDS)
            self._listener.abort()
        self._reactor.removeSystemEventTrigger(again)

    def stopService(self) -> Deferred[None]:
        super().stopService()
        return Deferred.fromCoroutine(self._stop())


def _number(port: IListeningPort | None) -> int:
    assert port is not None  # noqa: S101 - asked before the service was started
    host: Any = port.getHost()
    return int(host.port)


def _listen(reactor: Any, address: Address, factory: IProtocolFactory, **how: Any) -> IListeningPort:
    """Bind; an empty host means every address, IPv4 and IPv6. ``how``: as :func:`listen` takes it."""
    if address.host:
        return listen(reactor, address.port, factory, BACKLOG, address.host, **how)
    try:
        return listen(reactor, address.port, factory, BACKLOG, "::", **how)
    except CannotListenError as error:
        # A port that is taken is taken: half of the addresses would be worse than none.
        if error.socketError.errno not in _NO_IPV6:
            raise
        return listen(reactor, address.port, factory, BACKLOG, "0.0.0.0", **how)  # noqa: S104 - what "" means
