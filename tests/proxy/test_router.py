from __future__ import annotations

import pytest

from pomerium_tw.model import Peer, Request, Route, Upstream
from pomerium_tw.proxy import Cluster, Endpoint, HeadRules, ResponseRules, RoutePlan, Router, TargetRules
from pomerium_tw.proxy.head import parse_head
from pomerium_tw.proxy.target import parse_target

UP = Upstream("http", "up", 80, authority="up:80")


def plan(name: str, host: str, port: int | None = None, **fields: object) -> RoutePlan:
    route = Route(id=name, name=name, host=host, port=port, upstreams=(UP,), **fields)  # type: ignore[arg-type]
    return RoutePlan(route, Cluster(name, [Endpoint(UP, None, ResponseRules())]))  # type: ignore[arg-type]


def request(authority: str, target: str = "/", fields: bytes = b"") -> Request:
    head = parse_head(b"Host: " + authority.encode() + b"\r\n" + fields, HeadRules())
    return Request(
        "id", "GET", "https", parse_target("GET", target.encode(), head, TargetRules()), head, Peer("::1", 1)
    )


def found(router: Router, authority: str, target: str = "/") -> str | None:
    plan = router.find(request(authority, target))
    return plan.name if plan else None


def test_the_first_route_of_the_host_in_file_order_wins() -> None:
    router = Router([plan("admin", "a", prefix="/admin"), plan("exact", "a", path="/x"), plan("rest", "a")])
    assert found(router, "a", "/admin") == "admin"
    assert found(router, "a", "/administrator") == "admin"
    assert found(router, "a", "/x") == "exact"
    assert found(router, "a", "/x/") == "rest"
    assert found(router, "A.", "/") == "rest"


def test_a_named_host_is_decided_by_its_own_routes_alone() -> None:
    router = Router([plan("any", "*"), plan("a", "a.b", prefix="/x")])
    assert found(router, "a.b", "/x") == "a"
    assert found(router, "a.b", "/y") is None
    assert found(router, "c.b", "/y") == "any"


@pytest.mark.parametrize("authority", ["x.b", "x.y.b", "x.b:8443"])
def test_a_star_matches_anything_and_any_port(authority: str) -> None:
    assert found(Router([plan("w", "*.b")]), authority) == "w"


def test_dots_of_a_wildcard_are_dots() -> None:
    assert found(Router([plan("w", "*.b.c")]), "x.bzc") is None


def test_ports() -> None:
    router = Router([plan("port", "a", 8443), plan("any", "a")])
    assert [found(router, name) for name in ("a:8443", "a", "a:1")] == ["port", "any", "any"]
    strict = Router([plan("any", "a"), plan("w", "*.b")], any_port=False)
    assert [found(strict, name) for name in ("a:443", "a:1", "x.b:443", "x.b:1")] == ["any", None, "w", None]
    assert found(Router([plan("w", "*.b", 8443)]), "x.b") is None


def test_a_regular_expression_is_matched_in_full_and_never_sees_the_query() -> None:
    router = Router([plan("re", "a", regex="/api/.*/status", prefix="/other")])
    assert found(router, "a", "/api/x/status") == "re"
    assert found(router, "a", "/api/private?x=/status") is None
    assert found(router, "a", "/other") is None
