"""Looking names up: one look-up of a name at a time, whoever asks, and its answer kept for a moment."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from typing import Any, Literal

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import maybeDeferred
from twisted.internet.interfaces import (
    IAddress,
    IHostnameResolver,
    IHostResolution,
    IReactorTime,
    IResolutionReceiver,
)
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from .threads import Threads

log = Logger("pomerium.transport")

NAME_SECONDS = 5.0
"""How long the addresses of a name are used before it is looked up again. The system's resolver tells no
time to live; this is how often Envoy, which Pomerium proxies with, asks by default."""

NO_NAME_SECONDS = 1.0
"""How long a name that was not found counts as not found: what has just been set up is soon reached."""

LOOKUP_THREADS = 128
"""Names that are looked up at once. Each name takes one thread, so that a dead one holds up nobody but its
own askers; with more names than that, the others wait for their turn, within the time for connecting."""

LOOKUP_SECONDS = 120.0
"""After which a look-up that does not end is given up, and may begin anew in another thread. No asker waits
that long: it is for resolvers that hang, not for those that try all servers they know."""

MAX_KEPT_NAMES = 4096
"""Names whose look-ups are remembered: the oldest goes."""

Found = tuple[type[IPv4Address] | type[IPv6Address], tuple[Any, ...]]
"""Kind of address, and what it is made of behind its transport: address, port, and two numbers with IPv6."""


def look_up(name: str) -> Sequence[Found]:
    """Addresses by the system's resolver, the best one first (RFC 6724).

    Blocks. Raises OSError, and UnicodeError for what no resolver can be asked.
    """
    kinds = {socket.AF_INET: IPv4Address, socket.AF_INET6: IPv6Address}
    answers = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    return [(kinds[family], where) for family, _type, _protocol, _name, where in answers if family in kinds]


@implementer(IHostResolution)
class Resolution:
    """One asker's wait for the addresses of a name."""

    def __init__(
        self,
        name: str,
        port: int,
        kinds: Sequence[type[IAddress]] | None,
        transport: str,
        receiver: IResolutionReceiver,
    ) -> None:
        self.name = name
        self._port = port
        self._kinds = kinds
        self._transport: Literal["TCP", "UDP"] = "UDP" if transport == "UDP" else "TCP"
        self._receiver: IResolutionReceiver | None = receiver
        self.given_up: Callable[[Resolution], object] = lambda _itself: None

    def cancel(self) -> None:
        """Nothing is heard of it any more; the look-up goes on, for others. Does nothing after its end."""
        self._receiver = None
        self.given_up(self)

    def answer(self, found: Sequence[Found]) -> None:
        """All addresses there are; none says that there is no such name."""
        receiver, self._receiver = self._receiver, None
        if receiver is None:
            return
        for kind, (address, _port, *more) in found:
            if self._kinds is None or kind in self._kinds:
                receiver.addressResolved(kind(self._transport, address, self._port, *more))
        receiver.resolutionComplete()


@implementer(IHostnameResolver)
class Names:
    """A reactor's resolver, for :meth:`installNameResolver`.

    Twisted's own runs each look-up anew, in ten threads that it waits for when it stops: some requests to a
    name that nobody answers for hold up every other name, and the end of the process.
    """

    def __init__(self, reactor: Any, look: Callable[[str], Sequence[Found]] = look_up) -> None:
        """``look`` blocks, and raises what it likes for a name that it does not find."""
        self._clock: IReactorTime = reactor
        self._look = look
        self._threads = Threads(reactor, "names", LOOKUP_THREADS, LOOKUP_SECONDS)
        self._kept: dict[str, tuple[float, Sequence[Found]]] = {}
        self._asking: dict[str, dict[Resolution, None]] = {}

    def resolveHostName(
        self,
        resolutionReceiver: IResolutionReceiver,
        hostName: str,
        portNumber: int = 0,
        addressTypes: Sequence[type[IAddress]] | None = None,
        transportSemantics: str = "TCP",
    ) -> Resolution:
        """Tells the receiver of every address, at once where they are known."""
        resolution = Resolution(hostName, portNumber, addressTypes, transportSemantics, resolutionReceiver)
        resolutionReceiver.resolutionBegan(resolution)
        kept = self._kept.get(hostName)
        # A clock that was set back keeps no address for longer.
        if kept is not None and 0 < kept[0] - self._clock.seconds() <= NAME_SECONDS:
            resolution.answer(kept[1])
            return resolution
        begun = hostName in self._asking
        self._asking.setdefault(hostName, {})[resolution] = None
        resolution.given_up = self._given_up
        if not begun:
            work = maybeDeferred(self._threads.run, self._look, hostName)
            work.addErrback(self._not_found, hostName).addCallback(self._looked_up, hostName)
        return resolution

    def _given_up(self, resolution: Resolution) -> None:
        self._asking.get(resolution.name, {}).pop(resolution, None)

    def _not_found(self, failure: Failure, name: str) -> Sequence[Found]:
        log.debug("{name} was not looked up: {why}", name=name, why=failure.getErrorMessage())
        return ()

    def _looked_up(self, found: Sequence[Found], name: str) -> None:
        until = self._clock.seconds() + (NAME_SECONDS if found else NO_NAME_SECONDS)
        self._kept.pop(name, None)
        self._kept[name] = (until, found)
        if len(self._kept) > MAX_KEPT_NAMES:
            del self._kept[next(iter(self._kept))]
        # Answering one asker may make another give up.
        for resolution in tuple(self._asking.pop(name)):
            resolution.answer(found)
