"""Where our own clients connect to when they are given a host name."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import HostnameEndpoint, TCP4ClientEndpoint, TCP6ClientEndpoint
from twisted.internet.error import ConnectError, DNSLookupError
from twisted.internet.error import TimeoutError as ConnectTimeout
from twisted.internet.interfaces import IHostResolution, IProtocol, IProtocolFactory, IStreamClientEndpoint
from twisted.python.failure import Failure
from zope.interface import directlyProvides, implementer, providedBy

CONNECT_SECONDS = 10.0
"""Longest that connecting may take, looking the name up included (spec/proxy §2.7)."""


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
    return NameEndpoint(reactor, host, port, timeout)


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


@implementer(IStreamClientEndpoint)
class NameEndpoint:
    """Any name: the first of its addresses that answers (RFC 8305), with one time limit for everything.

    The limit of Twisted's own endpoint is for each address, and for looking the name up it has none.
    """

    def __init__(self, reactor: Any, host: str, port: int, timeout: float) -> None:
        self._reactor = reactor
        self._host = host
        self._timeout = timeout
        self._asking = _Asking(reactor, host)
        # Twisted refuses names that IDNA does not know, containers' with ``_`` among them.
        self._any = HostnameEndpoint(self._asking, "name", port, timeout)

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        """Fails with DNSLookupError for the name, in time or not, or as the first address did."""
        connecting: Deferred[IProtocol] = self._any.connect(protocolFactory).addErrback(self._unknown)
        resolution = self._asking.begun()

        def failed(failure: Failure) -> Failure:
            if resolution is not None:
                with suppress(NotImplementedError):  # Twisted's own resolver cannot
                    resolution.cancel()
            return failure

        return connecting.addTimeout(self._timeout, self._reactor, self._too_long).addErrback(failed)

    def _unknown(self, failure: Failure) -> Failure:
        failure.trap(DNSLookupError)
        raise DNSLookupError(f"no address for {self._host}") from failure.value

    def _too_long(self, result: Any, seconds: float) -> Any:
        if not isinstance(result, Failure):
            return result
        if result.check(DNSLookupError):
            raise DNSLookupError(f"no answer for {self._host} within {seconds:g} seconds")
        raise ConnectTimeout(string=f"no connection to {self._host} within {seconds:g} seconds")


class _Asking:
    """A reactor that looks up one name, and remembers the look-up begun last, so that it can be given up."""

    def __init__(self, reactor: Any, host: str) -> None:
        self._reactor = reactor
        self._host = host
        self._begun: IHostResolution | None = None
        directlyProvides(self, providedBy(reactor))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reactor, name)

    @property
    def nameResolver(self) -> _Asking:
        return self

    def resolveHostName(self, receiver: Any, _name: str, **more: Any) -> IHostResolution:
        resolution: IHostResolution = self._reactor.nameResolver.resolveHostName(receiver, self._host, **more)
        self._begun = resolution
        return resolution

    def begun(self) -> IHostResolution | None:
        """The look-up that was begun since this was asked last."""
        resolution, self._begun = self._begun, None
        return resolution
