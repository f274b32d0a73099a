"""Connections to unix sockets."""

from __future__ import annotations

import socket
from typing import Any

from twisted.internet import abstract, base, tcp
from twisted.internet.address import UNIXAddress
from twisted.internet.endpoints import UNIXClientEndpoint
from twisted.internet.interfaces import IStreamClientEndpoint, ISystemHandle
from zope.interface import implementedBy, implementer_only

from .eager import Forgetful, _Eager
from .endpoints import CONNECT_SECONDS
from .last_words import LastWords


def unix_endpoint(reactor: Any, path: str, timeout: float = CONNECT_SECONDS) -> IStreamClientEndpoint:
    """An endpoint for the socket at ``path``; ``timeout`` in seconds."""
    eager = _UnixReactor(reactor) if hasattr(reactor, "unsent") else reactor
    endpoint: IStreamClientEndpoint = UNIXClientEndpoint(eager, path, timeout)
    return endpoint


class _UnixReactor:
    """All that Twisted's endpoint asks of a reactor, with a transport that is as fast as those of TCP.

    Twisted's own also takes file descriptors that the other side sends, which no upstream has a reason to.
    """

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor

    def connectUNIX(self, path: str, factory: Any, timeout: float, checkPID: bool) -> UnixConnector:  # noqa: ARG002 (Twisted's signature)
        connector = UnixConnector(path, factory, timeout, self._reactor)
        connector.connect()
        return connector


class UnixConnector(Forgetful, base.BaseConnector):
    def __init__(self, path: str, factory: Any, timeout: float, reactor: Any) -> None:
        super().__init__(factory, timeout, reactor)
        self._path = path

    def _makeTransport(self) -> Any:
        return EagerUnixClient(self._path, self, self.reactor)

    def getDestination(self) -> UNIXAddress:
        return UNIXAddress(self._path)


# No ITCPTransport, as tcp.BaseClient: there is nothing of TCP to set.
@implementer_only(implementedBy(abstract.FileDescriptor), ISystemHandle)
class EagerUnixClient(LastWords, _Eager, tcp.BaseClient):
    """A connection that we opened."""

    addressFamily = socket.AF_UNIX
    socketType = socket.SOCK_STREAM

    def __init__(self, path: str, connector: UnixConnector, reactor: Any) -> None:
        self.connector = connector
        self.realAddress: Any = path
        self._finishInit(self.doConnect, self.createInternetSocket(), None, reactor)

    def getPeer(self) -> UNIXAddress:
        return UNIXAddress(self.realAddress)

    def getHost(self) -> UNIXAddress:
        return UNIXAddress(None)
