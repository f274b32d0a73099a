"""TLS to a server, on the socket of a connection that any endpoint made."""

from __future__ import annotations

import socket
from typing import Any, Protocol

from twisted.internet import main, tcp
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import NoProtocol
from twisted.internet.error import TimeoutError as ConnectTimeout
from twisted.internet.interfaces import (
    INegotiated,
    IProtocol,
    IProtocolFactory,
    ISSLTransport,
    IStreamClientEndpoint,
)
from twisted.internet.protocol import Factory, connectionDone
from twisted.internet.protocol import Protocol as TwistedProtocol
from twisted.python.failure import Failure
from zope.interface import implementer

from .endpoints import CONNECT_SECONDS
from .last_words import hear_out
from .tls_connection import TLSConnection
from .tls_socket import OnSocket
from .unread import lies_unread
from .unsent import broken

MOST_UNREAD = 16
"""Records without data that may lie on a free connection: servers send two session tickets."""


class ClientTLS(Protocol):
    """Whom a TLS connection must lead to."""

    def connection(self, sock: socket.socket, side: OnSocket) -> TLSConnection:
        """A connection on ``sock`` that is yet to shake hands.

        A certificate that is not the one wanted makes the handshake fail, and ``side.failVerification`` is
        told why.
        """


@implementer(IStreamClientEndpoint)
class TLSEndpoint:
    """Connects when the handshake is over: until then there is nobody to send anything to."""

    def __init__(
        self, reactor: Any, plain: IStreamClientEndpoint, tls: ClientTLS, timeout: float = CONNECT_SECONDS
    ) -> None:
        """``timeout``: seconds for looking the name up, connecting and the handshake (spec/proxy §2.7)."""
        self._reactor = reactor
        self._plain = plain
        self._tls = tls
        self._timeout = timeout

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        """Fails as the plain endpoint does, or with ConnectTimeout, or as the handshake did.

        That is OpenSSL's Error, ConnectionLost, or service_identity's VerificationError for another's name.
        """
        connecting = Deferred.fromCoroutine(self._connect(protocolFactory))
        return connecting.addTimeout(self._timeout, self._reactor, _too_long)

    async def _connect(self, factory: IProtocolFactory) -> IProtocol:
        bare: Any = await self._plain.connect(Factory.forProtocol(_Bare))
        return await TLSClient(bare.transport, self._tls, factory, self._reactor).made


def _too_long(result: Any, seconds: float) -> Any:
    if isinstance(result, Failure) and result.check(CancelledError):
        raise ConnectTimeout(string=f"no TLS connection after {seconds:g} seconds")
    return result


class _Bare(TwistedProtocol):
    """Holds a plain connection still until TLS takes its socket over."""

    def connectionMade(self) -> None:
        transport: Any = self.transport
        transport.stopReading()


class _Shaking(TwistedProtocol):
    """In the place of the protocol until the handshake is over."""

    def __init__(self, made: Deferred[IProtocol]) -> None:
        self._made = made

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if not self._made.called:
            self._made.errback(reason)


@implementer(ISSLTransport, INegotiated)
class TLSClient(OnSocket, tcp.Connection):
    """Takes over the socket of a plain transport, which is nobody's afterwards."""

    logstr = "TLSClient"

    def __init__(self, plain: Any, tls: ClientTLS, factory: IProtocolFactory, reactor: Any) -> None:
        self._host, self._peer = plain.getHost(), plain.getPeer()
        self._factory = factory
        self.made: Deferred[IProtocol] = Deferred(lambda _made: self.abortConnection())
        """Fires with the protocol after its connectionMade; cancelling ends the connection."""
        sock = plain.getHandle()
        plain.stopReading()
        plain.stopWriting()
        super().__init__(sock, _Shaking(self.made), reactor)
        self._tls = tls.connection(sock, self)
        self._tls.set_connect_state()
        self.connected = 1
        self.startReading()
        why = self._shake()
        if why is not None:
            self.connectionLost(Failure(why))

    def _handshake_over(self) -> None:
        protocol: Any = self._factory.buildProtocol(self._peer)
        if protocol is None:
            self.made.errback(NoProtocol())
            self.abortConnection()
            return
        self.protocol = protocol
        protocol.makeConnection(self)
        self.made.callback(protocol)
        if self.connected:
            super()._handshake_over()

    # Asked first, for OpenSSL reads nothing after a write that failed (see LastWords).

    def _send_now(self, data: bytes) -> int:
        return hear_out(self, data) if broken(self) else super()._send_now(data)

    def writeSomeData(self, data: bytes | memoryview) -> Any:
        return hear_out(self, data) if broken(self) else super().writeSomeData(data)

    def catch_up(self) -> None:
        """Read what is there, as the reactor would in its next turns: up to a record with data, or all.

        All of it is in the socket: a read leaves nothing whole in OpenSSL (:data:`.tls_connection.RECORD`).
        Who has more than :data:`MOST_UNREAD` to say is not heard.
        """
        for _ in range(MOST_UNREAD):
            if not lies_unread(self.socket):
                return
            empty = self._empty_reads
            why = self.doRead()
            if why is not None:
                self.connectionLost(Failure(why))
            if not self.connected or self._empty_reads == empty:
                return
        self.connectionLost(Failure(main.CONNECTION_LOST))

    def getHost(self) -> Any:
        """Our own address, of the kind that the plain transport has."""
        return self._host

    def getPeer(self) -> Any:
        """The server's address, of the same kind."""
        return self._peer
