from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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


def test_an_ipv6_address_is_found_in_every_spelling() -> None:
    router = Router([plan("six", "[2001:db8::1]")])
    assert [found(router, each) for each in ("[2001:db8::1]", "[2001:DB8:0::1]:443")] == ["six", "six"]


def test_a_named_host_is_decided_by_its_own_routes_alone() -> None:
    router = Router([plan("any", "*"), plan("a", "a.b", prefix="/x")])
    assert found(router, "a.b", "/x") == "a"
    assert found(router, "a.b", "/y") is None
    assert found(router, "a.b:8443", "/y") is None
    assert found(router, "c.b", "/y") == "any"


@pytest.mark.parametrize("authority", ["x.b", "x.y.b", "x.b:8443"])
def test_a_star_matches_anything_and_any_port(authority: str) -> None:
    assert found(Router([plan("w", "*.b")]), authority) == "w"


@pytest.mark.parametrize(
    ("pattern", "host", "matches"),
    [
        ("*.b.c", "x.bzc", False),
        ("*.b", "b", False),
        ("app-*.b", "app-1.b", True),
        ("app-*.b", "app-.b", True),
        ("app-*.b", "apq-1.b", False),
        ("app-*", "app-x.y.z", True),
        ("a*a", "a", False),
        ("a*a", "aa", True),
        ("*-x-*.b", "1-x-2.b", True),
        ("*-x-*.b", "1-y-2.b", False),
        ("a*-x.y-*.b", "a1-xzy-2.b", False),
        ("*", "anything.at.all", True),
    ],
)
def test_stars_stand_anywhere_in_a_host(pattern: str, host: str, matches: bool) -> None:
    assert found(Router([plan("w", pattern)]), host) == ("w" if matches else None)


def test_among_wildcards_the_first_in_the_file_wins_whatever_they_look_like() -> None:
    router = Router(
        [
            plan("deep", "*.a.b", prefix="/deep"),
            plan("wide", "*", prefix="/wide"),
            plan("between", "*-x-*.b", prefix="/"),
            plan("port", "*.b", 8443),
            plan("end", "*.b"),
            plan("never", "*.a.b"),
        ]
    )
    assert found(router, "c.a.b", "/deep") == "deep"
    assert found(router, "c.a.b", "/wide") == "wide"
    assert found(router, "c.a.b", "/") == "end"
    assert found(router, "c.a.b:8443", "/") == "port"
    assert found(router, "1-x-2.b:8443", "/") == "between"
    assert found(router, "c.d", "/") is None


def test_ports() -> None:
    router = Router([plan("port", "a", 8443), plan("any", "a")])
    assert [found(router, name) for name in ("a:8443", "a", "a:1")] == ["port", "any", "any"]
    strict = Router([plan("any", "a"), plan("w", "*.b")], any_port=False)
    assert [found(strict, name) for name in ("a:443", "a:1", "x.b:443", "x.b:1")] == ["any", None, "w", None]
    assert found(Router([plan("w", "*.b", 8443)]), "x.b") is None


def test_the_brackets_of_an_address_hold_no_port() -> None:
    router = Router([plan("port", "[::]", 1234), plan("none", "[::]")])
    assert [found(router, name) for name in ("[::]:1234", "[::]", "[::]:1")] == ["port", "none", "none"]


def test_which_hosts_are_known() -> None:
    router = Router([plan("a", "a", prefix="/x"), plan("p", "p", 8443), plan("w", "*.b", 8443)])
    asked = ("a", "a:1", "p:8443", "p", "x.b:8443", "x.b", "c")
    assert [router.knows(request(name).head) for name in asked] == [
        True,
        True,
        True,
        False,
        True,
        False,
        False,
    ]
    strict = Router([plan("a", "a"), plan("w", "*.b")], any_port=False)
    asked = ("a:443", "a:1", "x.b:443", "x.b:1")
    assert [strict.knows(request(name).head) for name in asked] == [True, False, True, False]


def test_a_regular_expression_is_matched_in_full_and_never_sees_the_query() -> None:
    router = Router([plan("re", "a", regex="/api/.*/status", prefix="/other")])
    assert found(router, "a", "/api/x/status") == "re"
    assert found(router, "a", "/api/private?x=/status") is None
    assert found(router, "a", "/other") is None


def test_pn_07_parameters_lead_past_no_route() -> None:
    router = Router([plan("admin", "a", prefix="/admin"), plan("exact", "a", path="/x"), plan("rest", "a")])
    assert found(router, "a", "/admin;x=1/y") == "admin"
    assert found(router, "a", "/y;jsessionid=1") == "rest"
    assert found(router, "a", "/;/admin") is None
    assert found(router, "a", "/y;z/../;/admin") is None
    assert found(router, "a", "/x;y") is None


PATHS = st.lists(st.sampled_from(["/", "/a", "/ab", "/b", "/a/", "x", "%C3%A9"]), max_size=5).map(
    lambda pieces: "/" + "".join(pieces)
)
TESTS = st.one_of(
    st.fixed_dictionaries({"prefix": st.sampled_from(("/", "/a", "/a/", "/ab", "/a/b", "/b/a", "/é"))}),
    st.fixed_dictionaries({"path": st.sampled_from(("/", "/a", "/ab", "/a/b", "/é"))}),
    st.fixed_dictionaries(
        {
            "regex": st.sampled_from(
                ("/a.*", ".*b", "(?i)/A", "/(a|b)/?", "/a|/b", "/a{2,3}", "/é?", "[^b]*", "")
            )
        }
    ),
)
HOSTS = st.sampled_from(("h", "*", "*.h", "x*", "*h*", "x.*.h", "*.x.h"))
ASKED = st.sampled_from(("h", "x.h", "x.x.h", "xh", "x.y.h:8443", "y"))


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(HOSTS, TESTS), max_size=20), ASKED, PATHS)
def test_however_many_routes_there_are_the_answer_is_that_of_trying_them_in_turn(
    routes: list[tuple[str, dict[str, str]]], authority: str, path: str
) -> None:
    plans = [plan(str(at), host, **fields) for at, (host, fields) in enumerate(routes)]
    asked = request(authority, path)
    named = [each for each in plans if each.route.host == asked.host]
    alone = [Router([each]) for each in plans]
    tried = [
        each
        for each, router in zip(plans, alone, strict=True)
        if router.knows(asked.head) and each.matches(asked.target.path) and (each in named or not named)
    ]
    assert Router(plans).find(asked) is (tried[0] if tried else None)
