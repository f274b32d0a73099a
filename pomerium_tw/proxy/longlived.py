"""Exchanges that outlive the moment they were decided in: tunnels and event streams (DESIGN §7.7).

Each is decided again when a record of its session changes, when the configuration does, and every now and
then: sessions run out and policies may speak of the time. What is denied then is closed within five seconds,
everything else is left untouched.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from heapq import heappop, heappush
from itertools import count
from typing import Protocol

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from .exchange import IExchange

log = Logger("pomerium.proxy")

SPREAD_SECONDS = 2.0
"""Time over which decisions of one occasion are spread, so that thousands of them do not stop the traffic."""
SLICE_SECONDS = 0.005
"""Shortest time between two looks at what is due."""
REVIEW_SECONDS = 60.0
"""Every long-lived exchange is decided again at least this often, though nothing was seen to change."""


class Lasting(Protocol):
    """What is decided again while it lasts."""

    exchange: IExchange

    def close(self, details: str) -> None:
        """End it, within seconds; ``details`` is why, for the access log."""


class LongLived:
    """The long-lived exchanges of a process, found by session."""

    def __init__(self, clock: IReactorTime, decide: Callable[[IExchange], bool]) -> None:
        """``decide``: whether the exchange would be let through now. Only True is yes; a failure is no."""
        self._clock = clock
        self.decide = decide
        self._all: dict[Lasting, str] = {}
        """Each with the id of its session."""
        self._by_session: dict[str, set[Lasting]] = {}
        self._due: list[tuple[float, int, Lasting]] = []
        """A heap: when, a number that makes entries differ, and what is to be decided."""
        self._waiting: set[Lasting] = set()
        """What is in the heap."""
        self._serial = count()
        self._look: IDelayedCall | None = None
        self._review: IDelayedCall | None = None

    def start(self) -> None:
        self._review = self._clock.callLater(REVIEW_SECONDS, self._review_all)

    def stop(self) -> None:
        for timer in (self._look, self._review):
            if timer is not None and timer.active():
                timer.cancel()
        self._look = self._review = None

    def __len__(self) -> int:
        return len(self._all)

    # -- joining and leaving

    def add(self, lasting: Lasting) -> None:
        exchange = lasting.exchange
        session_id = self._all[lasting] = exchange.identity.session_id
        if session_id:
            self._by_session.setdefault(session_id, set()).add(lasting)
        # What changed while the upstream took its time to answer was not heard of.
        self._decide_again((lasting,))

    def discard(self, lasting: Lasting) -> None:
        session_id = self._all.pop(lasting, "")
        _leave(self._by_session, session_id, lasting)

    # -- occasions

    def session_changed(self, session_id: str) -> None:
        """Something that the session stands for is other than it was, or the session is gone."""
        self._decide_again(self._by_session.get(session_id, ()))

    def all_changed(self) -> None:
        """There is a new generation."""
        self._decide_again(self._all)

    def _review_all(self) -> None:
        self.start()
        self.all_changed()

    # -- deciding

    def _decide_again(self, these: Iterable[Lasting]) -> None:
        now = self._clock.seconds()
        # What waits already is decided soon enough, and by what holds then.
        fresh = [each for each in these if each not in self._waiting]
        for place, each in enumerate(fresh):
            self._waiting.add(each)
            heappush(self._due, (now + SPREAD_SECONDS * place / len(fresh), next(self._serial), each))
        if fresh:
            self._look_in(0.0)

    def _decide_due(self) -> None:
        now = self._clock.seconds()
        due = self._due
        # What lies further ahead than it ever does was put there before the clock was set back.
        while due and not now < due[0][0] <= now + SPREAD_SECONDS:
            lasting = heappop(due)[2]
            self._waiting.remove(lasting)
            if lasting in self._all:
                self._decide_one(lasting)
        if due:
            self._look_in(max(SLICE_SECONDS, due[0][0] - now))

    def _look_in(self, seconds: float) -> None:
        look = self._look
        if look is None or not look.active():
            self._look = self._clock.callLater(seconds, self._decide_due)
        elif look.getTime() > self._clock.seconds() + SLICE_SECONDS:
            look.reset(seconds)

    def _decide_one(self, lasting: Lasting) -> None:
        try:
            if not self._allowed(lasting.exchange):
                lasting.close("access_revoked")
        except Exception:
            log.failure("ending what was denied failed")

    def _allowed(self, exchange: IExchange) -> bool:
        try:
            return self.decide(exchange) is True
        except Exception:
            log.failure("an exchange could not be decided again: it ends", request_id=exchange.request.id)
            return False


def _leave(index: dict[str, set[Lasting]], key: str, lasting: Lasting) -> None:
    found = index.get(key)
    if found is not None:
        found.discard(lasting)
        if not found:
            del index[key]
