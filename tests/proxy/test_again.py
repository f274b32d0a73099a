from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_network
from types import SimpleNamespace
from typing import Any

import pytest

from pomerium_tw.databroker import SESSION, Record, StoreUnavailable
from pomerium_tw.model import ANONYMOUS, Identity, Outcome, Session
from pomerium_tw.proxy import Again, HeadRules, TargetRules, Trust
from pomerium_tw.proxy.client_address import NO_TRUST
from tests.doors import SIGNED_IN, Pipe, Wire, guarded

from .test_upgrade import asked, route

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
SWITCHED = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
)


def session(name: str, user: str = "") -> Session:
    return Session(name, user or name, "", 0.0, 1e12)


def reading(**changed: Any) -> Any:
    """What a generation reads requests by."""
    rules = {"head_rules": HeadRules(), "target_rules": TargetRules(), "trust": NO_TRUST}
    return SimpleNamespace(**(rules | changed))


class World:
    """What is found now, and what the policy says."""

    def __init__(self) -> None:
        self.plan: Any = SimpleNamespace(route=route())
        self.identity: Any = Identity(session("ann"))
        self.generation: Any = reading()
        self.outcome: Any = Outcome.ALLOW
        self.asked: list[Any] = []
        request = asked(Cookie="session=ann")
        self.exchange: Any = SimpleNamespace(
            request=request,
            plan=SimpleNamespace(route=route()),
            identity=Identity(session("ann")),
            generation=reading(),
        )
        router: Any = SimpleNamespace(find=lambda _request: self.plan)
        identities: Any = SimpleNamespace(from_cookies=self._identify)
        authorizer: Any = SimpleNamespace(decide=self._check)
        self.again = Again(router, identities, authorizer, lambda _host: "cookie")

    def _identify(self, head: Any, cookie: str, host: str, _idp: str) -> Any:
        assert (head, cookie, host) == (self.exchange.request.head, "cookie", "app.test")
        if isinstance(self.identity, Exception):
            raise self.identity
        return self.identity

    def _check(self, *asked: Any) -> Any:
        self.asked.append(asked)
        return SimpleNamespace(outcome=self.outcome)

    def allows(self) -> bool:
        return self.again.allows(self.exchange, self.generation)


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
        pytest.param({"identity": Identity(session("bob"))}, id="somebody else"),
        pytest.param({"identity": Identity(session("ann", "bob"))}, id="another user"),
        pytest.param({"identity": Identity(session("bob"), presented=session("ann"))}, id="impersonates"),
        pytest.param(
            {"identity": Identity(session("two", "ann"), presented=session("ann"))}, id="by another session"
        ),
        pytest.param({"generation": reading(head_rules=HeadRules(underscores="allow"))}, id="headers"),
        pytest.param({"generation": reading(target_rules=TargetRules(merge_slashes=False))}, id="paths"),
        pytest.param(
            {"plan": SimpleNamespace(route=replace(route(), escaped_slashes="reject_request"))}, id="slashes"
        ),
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


def test_who_asks_is_looked_at_anew_where_other_proxies_are_believed(world: World) -> None:
    trust = Trust(hops=1)
    anew = (world.exchange.request.peer._replace(address="10.0.0.9"), "http", b"10.0.0.9")
    world.exchange.client_by = {trust: anew}.__getitem__
    world.generation = reading(trust=trust)
    assert world.allows() is True
    (asked_now, _route, _identity), *_ = world.asked
    assert (asked_now.peer, asked_now.scheme, asked_now.forwarded_for) == anew
    assert asked_now.target == world.exchange.request.target


# -- in the whole data path


def websocket(wire: Wire, *lines: str) -> Pipe:
    """A tunnel to the upstream; the client's end."""
    asks = ["GET /ws HTTP/1.1", "Host: a", "Connection: Upgrade", "Upgrade: websocket", *lines]
    asks += ["Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {KEY}", "", ""]
    wire.send("\r\n".join(asks).encode())
    assert wire.answer(SWITCHED).startswith(b"HTTP/1.1 101 ")
    return wire.pipe


FROM_INSIDE = 'policy "inside" { allow or { source_ip "10.0.0.0/8" } }'


@pytest.mark.parametrize(("believed", "lasts"), [("192.0.2.0/24", True), ("198.51.100.0/24", False)])
def test_a_proxy_that_is_believed_no_more_lets_nobody_stay(believed: str, lasts: bool) -> None:
    routes = [guarded("a", FROM_INSIDE, timeout=0.0, idle_timeout=0.0, upgrades=frozenset(["websocket"]))]
    trust = Trust.of(0, (ip_network("192.0.2.0/24"),), append=True)
    wire = Wire(routes, trust=trust)
    client = websocket(wire, "X-Forwarded-For: 10.1.2.3")
    wire.door.reload(routes, trust=Trust.of(0, (ip_network(believed),), append=True))
    wire.pass_time(5)
    assert (client.lost == "") is lasts


def test_an_impersonation_that_is_over_takes_its_tunnels_with_it() -> None:
    routes = [guarded("a", SIGNED_IN, timeout=0.0, idle_timeout=0.0, upgrades=frozenset(["websocket"]))]
    wire = Wire(routes)
    cookie, now = wire.door.sign_in("a"), wire.clock.seconds()

    def put(name: str, user: str, **more: Any) -> None:
        data = {"user_id": user, "idp_id": "", "issued_at": now, "expires_at": now + 3600, "claims": {}}
        wire.door.store.put([Record(SESSION, name, 0, data | more, now)])
        wire.clock.advance(0)

    put("boss", "boss")
    put("session", "ann@example.com", impersonate_session_id="boss")
    client = websocket(wire, f"Cookie: {cookie}")
    wire.pass_time(5)
    assert client.lost == ""
    put("session", "ann@example.com")
    wire.pass_time(5)
    assert client.lost != ""
