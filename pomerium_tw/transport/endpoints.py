"""Where our own clients connect to when they are given a host name."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import HostnameEndpoint, TCP4ClientEndpoint, TCP6ClientEndpoint
from twisted.internet.error import ConnectError
from twisted.internet.interfaces import IProtocol, IProtocolFactory, IStreamClientEndpoint
from twisted.python.failure import Failure
from zope.interface import implementer

CONNECT_SECONDS = 10.0
"""Longest that connecting may take (spec/proxy §2.7)."""


def is_localhost_name(host: str) -> bool:
    """Whether a name is loopback by definition, whatever a resolver says (RFC 6761 §6.3)."""
    name = host.lower().rstrip(".")
    return name == "localhost" or name.endswith(".localhost")


def client_endpoint(
    reactor: Any, host: str, port: int, timeout: float = CONNECT_SECONDS
) -> IStreamClientEndpoint:
    """An endpoint for ``host``: an IP literal (brackets or not), a name under ``localhost``, or any name."""
    literal = host.strip("[]")
    if is_localhost_name(host):
        return LoopbackEndpoint(reactor, port, timeout)
    if literal.replace(".", "").isdigit():
        return TCP4ClientEndpoint(reactor, literal, port, timeout)
    if ":" in literal:
        return TCP6ClientEndpoint(reactor, literal, port, timeout)
    named: IStreamClientEndpoint = HostnameEndpoint(reactor, host, port, timeout)
    return named


@implementer(IStreamClientEndpoint)
class LoopbackEndpoint:
    """This machine: 127.0.0.1, and ::1 when nothing listens there."""

    def __init__(self, reactor: Any, port: int, timeout: float) -> None:
        self._first = TCP4ClientEndpoint(reactor, "127.0.0.1", port, timeout)
        self._second = TCP6ClientEndpoint(reactor, "::1", port, timeout)

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        connecting: Deferred[IProtocol] = self._first.connect(protocolFactory)

        def try_second(failure: Failure) -> Deferred[IProtocol]:
            failure.trap(ConnectError)
            second: Deferred[IProtocol] = self._second.connect(protocolFactory)
            # The first address is the one that people expect to read of.
            return second.addErrback(lambda _also_failed: failure)

        return connecting.addErrback(try_second)
