from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from twisted.internet.task import Clock

from pomerium_tw.proxy.longlived import REVIEW_SECONDS, SPREAD_SECONDS, LongLived


class Socket:
    """A long-lived exchange that knows when it was closed, and why."""

    def __init__(self, session: str = "", route: str = "r", then: Callable[[], object] = list) -> None:
        plan = SimpleNamespace(route=SimpleNamespace(id=route))
        identity = SimpleNamespace(session_id=session)
        self.exchange: Any = SimpleNamespace(
            plan=plan, identity=identity, request=SimpleNamespace(id="id-1"), socket=self
        )
        self.closed: list[str] = []
        self._then = then

    def close(self, details: str) -> None:
        self.closed.append(details)
        self._then()


class Registry:
    """A registry whose decisions are a set of the denied."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.denied: set[Any] = set()
        self.asked: list[tuple[float, Socket]] = []
        self.all = LongLived(self.clock, self._decide)
        self.all.start()

    def _decide(self, exchange: Any) -> bool:
        self.asked.append((self.clock.seconds(), exchange.socket))
        return exchange.socket not in self.denied

    def join(self, *sockets: Socket) -> None:
        """These are there, and were decided again as they came."""
        for socket in sockets:
            self.all.add(socket)
        self.pass_time()
        self.asked.clear()

    def who(self) -> list[Socket]:
        asked, self.asked = self.asked, []
        return [socket for _when, socket in asked]

    def pass_time(self, seconds: float = SPREAD_SECONDS) -> None:
        self.clock.pump([0.01] * round(seconds / 0.01))


@pytest.fixture
def registry() -> Registry:
    return Registry()


def test_a_change_of_a_session_concerns_its_own_exchanges(registry: Registry) -> None:
    mine, mine_too, other, public = Socket("ann"), Socket("ann", "r2"), Socket("bob"), Socket()
    registry.join(mine, mine_too, other, public)
    registry.denied = {mine, other}
    registry.all.session_changed("ann")
    registry.pass_time()
    assert set(registry.who()) == {mine, mine_too}
    assert (mine.closed, mine_too.closed, other.closed) == (["access_revoked"], [], [])


def test_who_comes_is_decided_again(registry: Registry) -> None:
    """The upstream may have taken a while to answer."""
    socket, denied = Socket("ann"), Socket("ann")
    registry.denied = {denied}
    for each in (socket, denied):
        registry.all.add(each)
    registry.clock.advance(0)
    assert (socket.closed, denied.closed) == ([], ["access_revoked"])


def test_nobodys_session_is_not_a_session(registry: Registry) -> None:
    registry.join(Socket())
    registry.all.session_changed("")
    registry.pass_time()
    assert registry.who() == []


def test_a_new_generation_concerns_all(registry: Registry) -> None:
    sockets = [Socket("ann"), Socket("bob", "r2"), Socket()]
    registry.join(*sockets)
    registry.denied = {sockets[1]}
    registry.all.all_changed()
    registry.pass_time()
    assert set(registry.who()) == set(sockets)
    assert [socket.closed for socket in sockets] == [[], ["access_revoked"], []]


def test_all_are_decided_again_now_and_then(registry: Registry) -> None:
    socket = Socket("ann")
    registry.join(socket)
    registry.clock.advance(REVIEW_SECONDS - SPREAD_SECONDS - 1)
    assert registry.who() == []
    for _ in range(2):
        registry.clock.advance(1)
        registry.clock.advance(0)
        assert registry.who() == [socket]
        registry.clock.advance(REVIEW_SECONDS - 1)


def test_who_left_is_not_decided(registry: Registry) -> None:
    left, stays = Socket("ann"), Socket("ann")
    registry.join(left, stays)
    registry.all.all_changed()
    registry.all.discard(left)
    registry.all.discard(left)
    registry.pass_time()
    registry.all.session_changed("ann")
    registry.pass_time()
    assert set(registry.who()) == {stays}
    assert len(registry.all) == 1


def test_nothing_is_kept_of_who_left(registry: Registry) -> None:
    sockets = [Socket("ann"), Socket("ann"), Socket("bob", "r2")]
    registry.join(*sockets)
    registry.all.all_changed()
    for socket in sockets:
        registry.all.discard(socket)
    registry.pass_time()
    kept = registry.all
    assert not any((len(kept), kept._by_session, kept._due, kept._waiting))


@pytest.mark.parametrize("answer", [None, 1, "yes", False])
def test_only_true_is_a_yes(answer: Any) -> None:
    clock, socket = Clock(), Socket("ann")
    registry = LongLived(clock, lambda _exchange: answer)
    registry.add(socket)
    registry.session_changed("ann")
    clock.advance(0)
    assert socket.closed == ["access_revoked"]


def test_who_cannot_be_decided_is_closed_and_the_others_are_decided(registry: Registry) -> None:
    def fail(_exchange: Any) -> bool:
        raise RuntimeError("a fault")

    clock = Clock()
    broken = LongLived(clock, fail)
    sockets = [Socket("ann", then=lambda: 1 / 0), Socket("ann", then=lambda: 1 / 0)]
    for socket in sockets:
        broken.add(socket)
    broken.all_changed()
    clock.pump([0.1] * 30)
    assert [socket.closed for socket in sockets] == [["access_revoked"]] * 2


def test_ten_thousand_are_decided_in_time_and_never_many_at_once(registry: Registry) -> None:
    registry.join(*(Socket(f"s{number}") for number in range(10_000)))
    registry.all.all_changed()
    slices = []
    for _ in range(round(SPREAD_SECONDS / 0.005) + 2):
        registry.clock.advance(0.005)
        slices.append(len(registry.who()))
    assert sum(slices) == 10_000
    assert max(slices) <= 60


def test_one_is_decided_at_once_though_ten_thousand_are_under_way(registry: Registry) -> None:
    mine = Socket("ann", "mine")
    registry.join(mine, *(Socket(f"s{number}") for number in range(10_000)))
    registry.all.all_changed()
    registry.pass_time(1)
    assert len(registry.who()) < 6000
    registry.denied = {mine}
    registry.all.session_changed("ann")
    registry.clock.advance(0.005)
    assert mine.closed == ["access_revoked"]


def test_one_is_decided_at_once_though_the_next_of_a_few_has_time(registry: Registry) -> None:
    mine = Socket("ann", "mine")
    registry.join(mine, Socket("bob"), Socket("bob"))
    registry.all.session_changed("bob")
    registry.clock.advance(0)
    registry.clock.advance(0.1)
    registry.all.session_changed("ann")
    registry.clock.advance(0.01)
    assert mine in registry.who()
    registry.pass_time()
    assert len(registry.who()) == 1


def test_a_clock_set_back_holds_up_no_decision(registry: Registry) -> None:
    mine = Socket("ann", "mine")
    registry.clock.rightNow = 10_000.0
    registry.join(Socket("bob"), mine)
    registry.all.all_changed()
    registry.clock.rightNow -= 600
    for call in registry.clock.getDelayedCalls():
        call.delay(-600)
    registry.denied = {mine}
    registry.all.session_changed("ann")
    registry.pass_time()
    assert mine.closed == ["access_revoked"]


def test_many_changes_of_one_session_are_one_decision(registry: Registry) -> None:
    socket = Socket("ann")
    registry.join(socket)
    for _ in range(1000):
        registry.all.session_changed("ann")
    registry.denied = {socket}
    registry.pass_time()
    assert registry.who() == [socket]
    assert socket.closed == ["access_revoked"]


def test_it_stops(registry: Registry) -> None:
    registry.join(Socket("ann"))
    registry.all.all_changed()
    registry.all.stop()
    registry.all.stop()
    assert not registry.clock.getDelayedCalls()
