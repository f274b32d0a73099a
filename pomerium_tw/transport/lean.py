"""An epoll reactor with a shorter way from event to transport.

Twisted wraps every event in a logging context, which nothing here reads; plain readable and writable events
skip it. Together with eager writes this is worth 40 % of requests per second (spec/speed §1). Everything
works on any other reactor too.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from select import EPOLLIN, EPOLLOUT
from typing import Any

from twisted.internet.epollreactor import EPollReactor
from twisted.internet.error import ConnectionFdescWentAway
from twisted.logger import Logger

from .eager import EagerConnector, EagerPort
from .stopping import STOPPED_AGAIN

log = Logger("pomerium.transport")

_GONE = ConnectionFdescWentAway("the file descriptor was closed")

LONGEST_POLL = 1.0
"""Seconds after which the wall clock is looked at, whatever it said when waiting began."""
MOST_EVENTS = 128
"""Events of one turn, at whose end what arrived is handled and what was written is sent: the first must not
wait for too many others."""
MOST_HANDSHAKES = 8
"""Steps of TLS handshakes with clients that one turn takes: a signature may cost a millisecond (RSA of 2048
bits), and those who are past it must not wait for hundreds of them."""


class LeanEPollReactor(EPollReactor):
    """Stock but for dispatch and for its TCP transports."""

    def __init__(self) -> None:
        self.unsent: list[Any] = []
        """Transports that were written to in this turn; see :mod:`.eager`."""
        self._due: list[Callable[[], None]] = []
        self.when_set_back: list[Callable[[float], None]] = []
        """Called with the seconds by which the wall clock was set back, before anything else is."""
        self.handshakes_left = MOST_HANDSHAKES
        """Of this turn; see :func:`.turn.may_handshake`."""
        self._turned_at = 0.0
        super().__init__()

    def at_turn_end(self, call: Callable[[], None]) -> None:
        """Have ``call`` made when this turn's events are read, before what was written is sent."""
        self._due.append(call)

    def doPoll(self, timeout: float | None) -> None:
        try:
            longest = LONGEST_POLL if timeout is None or timeout > LONGEST_POLL else timeout
            events = self._poller.poll(longest, MOST_EVENTS)
        except OSError as error:
            if error.errno == errno.EINTR:
                return
            raise
        now = self.seconds()
        if now < self._turned_at:
            self._set_back(self._turned_at - now)
        self._turned_at = now
        self.handshakes_left = MOST_HANDSHAKES
        selectables = self._selectables
        for fd, event in events:
            selectable = selectables.get(fd)
            if selectable is None:
                continue
            if event == EPOLLIN:
                try:
                    why = selectable.doRead() if selectable.fileno() == fd else _GONE
                except BaseException as error:
                    why = self._failed(error)
                if why:
                    self._disconnectSelectable(selectable, why, True)
            elif event == EPOLLOUT:
                try:
                    why = selectable.doWrite() if selectable.fileno() == fd else _GONE
                except BaseException as error:
                    why = self._failed(error)
                if why:
                    self._disconnectSelectable(selectable, why, False)
            else:
                self._doReadOrWrite(selectable, fd, event)
        if self._due or self.unsent:
            self._end_turn()

    doIteration = doPoll

    def _set_back(self, seconds: float) -> None:
        """What was due in a second is not due an hour later."""
        for call in self.getDelayedCalls():
            call.delay(-seconds)
        for told in self.when_set_back:
            told(seconds)

    def stop(self) -> None:
        if self._stopped and self.running:
            # It is stopping: what is still waited for may be given up.
            self.fireSystemEvent(STOPPED_AGAIN)
            return
        super().stop()
        self.wakeUp()  # said at the end of a turn, it is acted upon in the next

    def runUntilCurrent(self) -> None:
        super().runUntilCurrent()
        # Timers and other threads' calls write too, and the next poll may wait for long.
        if self._due or self.unsent:
            self._end_turn()

    def _end_turn(self) -> None:
        while self._due or self.unsent:
            due, self._due = self._due, []
            for call in due:
                try:
                    call()
                except BaseException:
                    log.failure("the end of a turn failed")
            unsent, self.unsent = self.unsent, []
            for transport in unsent:
                try:
                    transport.flush()
                except BaseException as error:
                    self._give_up(transport, error)

    def _give_up(self, transport: Any, error: BaseException) -> None:
        try:
            self._disconnectSelectable(transport, self._failed(error), False)
        except Exception:
            # Those after it are flushed now or never: each counts on having been asked for it.
            log.failure("ending a connection failed")

    def _failed(self, error: BaseException) -> BaseException:
        # As the stock reactor: whatever a protocol raises ends its own connection and nothing else.
        log.failure("a connection failed")
        return error

    def listenTCP(self, port: int, factory: Any, backlog: int = 50, interface: str = "") -> EagerPort:
        listening = EagerPort(port, factory, backlog, interface, self)
        listening.startListening()
        return listening

    def connectTCP(
        self, host: str, port: int, factory: Any, timeout: float = 30.0, bindAddress: Any = None
    ) -> EagerConnector:
        connector = EagerConnector(host, port, factory, timeout, bindAddress, self)
        connector.connect()
        return connector
