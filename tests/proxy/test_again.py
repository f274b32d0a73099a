from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from pomerium_tw.databroker import StoreUnavailable
from pomerium_tw.model import ANONYMOUS, Outcome
from pomerium_tw.proxy import Again

from .test_upgrade import asked, route


class World:
    """What is found now, and what the policy says."""

    def __init__(self) -> None:
        self.plan: Any = SimpleNamespace(route=route())
        self.identity: Any = SimpleNamespace(session_id="ann")
        self.outcome: Any = Outcome.ALLOW
        self.asked: list[Any] = []
        request = asked(Cookie="session=ann")
        self.exchange: Any = SimpleNamespace(
            request=request,
            plan=SimpleNamespace(route=route()),
            identity=SimpleNamespace(session_id="ann"),
        )
        router: Any = SimpleNamespace(find=lambda _request: self.plan)
        identities: Any = SimpleNamespace(from_cookies=self._identify)
        authorizer: Any = SimpleNamespace(decide=self._check)
        self.again = Again(router, identities, authorizer, "cookie")

    def _identify(self, head: Any, cookie: str, host: str, _idp: str) -> Any:
        assert (head, cookie, host) == (self.exchange.request.head, "cookie", "app.test")
        if isinstance(self.identity, Exception):
            raise self.identity
        return self.identity

    def _check(self, *asked: Any) -> Any:
        self.asked.append(asked)
        return SimpleNamespace(outcome=self.outcome)

    def allows(self) -> bool:
        return self.again.allows(self.exchange)


@pytest.fixture
def world() -> World:
    return World()


def test_what_is_as_it_was_stands_and_is_not_changed(world: World) -> None:
    before = dict(vars(world.exchange))
    assert world.allows() is True
    assert vars(world.exchange) == before


def test_the_policy_is_asked_by_the_route_and_the_caller_of_now(world: World) -> None:
    world.plan = SimpleNamespace(route=route("websocket", "foo"))
    world.allows()
    assert world.asked == [(world.exchange.request, world.plan.route, world.identity)]


@pytest.mark.parametrize("outcome", [each for each in Outcome if each is not Outcome.ALLOW])
def test_every_outcome_but_to_allow_is_a_no(world: World, outcome: Outcome) -> None:
    world.outcome = outcome
    assert world.allows() is False


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param({"plan": None}, id="no route"),
        pytest.param({"plan": SimpleNamespace(route=SimpleNamespace(id="other"))}, id="another route"),
        pytest.param({"plan": SimpleNamespace(route=route("foo"))}, id="no websockets"),
        pytest.param({"identity": ANONYMOUS}, id="signed out"),
        pytest.param({"identity": SimpleNamespace(session_id="bob")}, id="somebody else"),
    ],
)
def test_what_is_not_the_same_any_more_is_a_no(world: World, changed: dict[str, Any]) -> None:
    for name, value in changed.items():
        setattr(world, name, value)
    assert world.allows() is False
    assert world.asked == []


def test_without_an_upgrade_there_is_none_to_refuse(world: World) -> None:
    world.exchange.request = asked(Upgrade=None)
    world.plan = SimpleNamespace(route=route("foo"))
    assert world.allows() is True


def test_who_cannot_be_known_is_not_a_no_of_ours(world: World) -> None:
    world.identity = StoreUnavailable("gone")
    with pytest.raises(StoreUnavailable):
        world.allows()
