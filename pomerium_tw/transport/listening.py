"""Listening sockets: in clear or with TLS, with or without a PROXY header before everything else."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any, Protocol

from twisted.internet import main, tcp
from twisted.internet.abstract import FileDescriptor, isIPv6Address
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.interfaces import (
    IAddress,
    IListeningPort,
    INegotiated,
    IProtocol,
    IProtocolFactory,
    ISSLTransport,
)
from twisted.internet.protocol import Factory
from twisted.internet.protocol import Protocol as TwistedProtocol
from twisted.logger import ILogObserver, LogEvent, Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from .eager import EagerServer
from .proxy_protocol import MAX_HEADER, ProxyHeaderError, read_header
from .tls_connection import TLSConnection
from .tls_socket import OnSocket
from .turn import may_handshake

log = Logger("pomerium.transport")

ANNOUNCE_SECONDS = 10.0
"""Longest that a connection may take to send its PROXY header (spec/proxy §3.11)."""
MAX_UNANNOUNCED = 4096
"""Connections of one socket that may be without their PROXY header at a time; further ones are closed."""
NO_DESCRIPTOR = "the system gives the process no further descriptor or socket"
"""Why a connection was not accepted."""
NO_HEADER = f"{MAX_UNANNOUNCED} wait for their PROXY header"
"""Why another was not."""

NotAccepted = Callable[[str, str], None]
"""Is told of each connection that was closed unheard, or could not be accepted: of whom ("" where not known)
and why. There may be thousands in a second."""


class ServerTLS(Protocol):
    """What a TLS listener needs to know."""

    def connection(self, sock: socket.socket) -> TLSConnection:
        """A connection on ``sock`` that is yet to shake hands."""


def listen(
    reactor: Any,
    port: int,
    factory: IProtocolFactory,
    backlog: int,
    interface: str,
    *,
    tls: ServerTLS | None = None,
    proxy_protocol: bool = False,
    not_accepted: NotAccepted = lambda _host, _why: None,
) -> IListeningPort:
    """Listen on ``interface``; "" is every IPv4 address, "::" every address. Raises CannotListenError.

    ``proxy_protocol``: each connection must begin with a PROXY header, whose client ``buildProtocol`` and the
    transport's ``getPeer`` name. ``backlog``: connections that may wait to be accepted.
    """
    listening: IListeningPort
    if tls is None and not proxy_protocol:
        listening = reactor.listenTCP(port, factory, backlog, interface)
    elif proxy_protocol:
        listening = AnnouncedPort(port, factory, backlog, interface, reactor, tls, not_accepted)
        listening.startListening()
    else:
        listening = TLSPort(port, factory, backlog, interface, reactor, tls)
        listening.startListening()
    told: Any = listening
    told._logger = Logger("pomerium.transport", observer=_Refusals(not_accepted))
    return listening


@implementer(ILogObserver)
class _Refusals:
    """Hears what Twisted's accepting says, which is three lines for each connection that it has to refuse."""

    def __init__(self, not_accepted: NotAccepted) -> None:
        self._not_accepted = not_accepted

    def __call__(self, event: LogEvent) -> None:
        if "address" in event:  # accepted with the descriptor kept in reserve for that, and closed
            self._not_accepted(event["address"][0], NO_DESCRIPTOR)
        elif event.get("acceptError", "ECONNABORTED") != "ECONNABORTED":  # it is not the client that left
            self._not_accepted("", NO_DESCRIPTOR)


@implementer(ISSLTransport, INegotiated)
class TLSServer(OnSocket, tcp.Server):
    """An accepted connection. Its protocol is made at once: the handshake counts towards its deadlines."""

    def __init__(  # noqa: PLR0917 (Twisted's signature)
        self,
        sock: socket.socket,
        protocol: IProtocol,
        client: tuple[object, ...],
        server: Any,
        sessionno: int,
        reactor: Any,
    ) -> None:
        self._tls = server.tls.connection(sock)
        self._tls.set_accept_state()
        super().__init__(sock, protocol, client, server, sessionno, reactor)

    def _shake(self) -> Any:
        return super()._shake() if may_handshake(self.reactor) else None


class TLSPort(tcp.Port):
    transport = TLSServer

    def __init__(  # noqa: PLR0917 (Twisted's signature, and one more)
        self,
        port: int,
        factory: IProtocolFactory,
        backlog: int,
        interface: str,
        reactor: Any,
        tls: ServerTLS | None,
    ) -> None:
        super().__init__(port, factory, backlog, interface, reactor)
        self.tls = tls


class AnnouncedPort(TLSPort):
    """Makes protocol and transport when the header has said for whom."""

    def __init__(  # noqa: PLR0917 (Twisted's signature, and two more)
        self,
        port: int,
        factory: Any,
        backlog: int,
        interface: str,
        reactor: Any,
        tls: ServerTLS | None,
        not_accepted: NotAccepted,
    ) -> None:
        self._unannounced: set[_Unannounced] = set()
        waiting = _Waiting(factory, self._unannounced, not_accepted)
        super().__init__(port, waiting, backlog, interface, reactor, tls)
        self._factory = factory
        plain = EagerServer if hasattr(self.reactor, "unsent") else tcp.Server
        self._kind: Any = TLSServer if self.tls else plain
        # Twisted's loop around accept makes one of these for each connection.
        self.transport = self._accepted  # type: ignore[assignment]

    def _accepted(self, sock: socket.socket, _protocol: object, *rest: Any) -> _Unannounced:
        return _Unannounced(self, sock, rest)

    def announced(self, sock: socket.socket, client: tuple[str, int] | None, rest: tuple[Any, ...]) -> None:
        """Go on as with any connection. ``rest``: what Twisted gives a transport besides."""
        address = _address(client or rest[0])
        protocol = self._factory.buildProtocol(address)
        if protocol is None:
            sock.close()
            return
        transport = self._kind(sock, protocol, *rest)
        transport.getPeer = lambda: address
        protocol.makeConnection(transport)

    def connectionLost(self, reason: Failure) -> None:
        for each in tuple(self._unannounced):
            each.connectionLost(reason)
        super().connectionLost(reason)


def _address(client: tuple[Any, ...]) -> IAddress:
    kind = IPv6Address if isIPv6Address(client[0]) else IPv4Address
    return kind("TCP", *client)


class _Waiting(Factory):
    """Stands in for the factory until the header has come."""

    noisy = False

    def __init__(self, factory: Any, unannounced: set[_Unannounced], not_accepted: NotAccepted) -> None:
        self._unannounced = unannounced
        self._not_accepted = not_accepted
        self._factory = factory

    def doStart(self) -> None:
        self._factory.doStart()

    def doStop(self) -> None:
        self._factory.doStop()

    def buildProtocol(self, addr: IAddress | None) -> TwistedProtocol | None:
        if len(self._unannounced) >= MAX_UNANNOUNCED:
            self._not_accepted(getattr(addr, "host", ""), NO_HEADER)
            return None
        return TwistedProtocol()


class _Unannounced(FileDescriptor):
    """An accepted connection whose PROXY header is not all there. Reads that and not one byte more."""

    def __init__(self, port: AnnouncedPort, sock: socket.socket, rest: tuple[Any, ...]) -> None:
        super().__init__(port.reactor)
        sock.setblocking(False)
        self.fileno = sock.fileno  # type: ignore[method-assign]
        self._port = port
        self._socket = sock
        self._rest = rest
        self._begun = b""
        reactor: Any = port.reactor
        self._timer = reactor.callLater(ANNOUNCE_SECONDS, self._too_late)
        port._unannounced.add(self)
        self.startReading()

    def doRead(self) -> Any:
        try:
            data = self._socket.recv(MAX_HEADER, socket.MSG_PEEK)
        except (BlockingIOError, InterruptedError):
            return None
        except OSError:
            return main.CONNECTION_LOST
        if not data:
            return main.CONNECTION_LOST
        try:
            header = read_header(self._begun + data)
        except ProxyHeaderError as error:
            log.info("a connection was closed: {error}", error=error, ip=self._rest[0][0])
            return main.CONNECTION_LOST
        end = len(data) if header is None else header.size - len(self._begun)
        self._begun += self._socket.recv(end)
        if header is not None:
            self._leave()
            self._port.announced(self._socket, header.client, self._rest)
        return None

    def _too_late(self) -> None:
        self.connectionLost(Failure(main.CONNECTION_LOST))

    def _leave(self) -> None:
        self._port._unannounced.discard(self)
        if self._timer.active():
            self._timer.cancel()
        self.stopReading()

    def connectionLost(self, reason: Failure) -> None:
        self._leave()
        super().connectionLost(reason)
        self._socket.close()
