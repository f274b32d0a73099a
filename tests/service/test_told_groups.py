"""What our own pages may tell of groups at a host is what its routes' filters let through."""

from __future__ import annotations

import pytest

from pomerium_tw.model import Head, Peer, Request, Route, Target
from pomerium_tw.service.told_groups import ToldGroups


def route(host: str, *told: str, port: int | None = None, prefix: str = "") -> Route:
    return Route("id", "name", host, port, prefix=prefix, jwt_groups_filter=frozenset(told))


def at(groups: ToldGroups, host: str, port: int | None = None) -> str:
    path = "/.pomerium/user"
    head = Head(host=host, port=port, fields=(), passed=b"")
    request = Request("id", "GET", "https", Target(path.encode(), path, None), head, Peer("192.0.2.7", 1))
    return "".join(sorted(groups.at(request)))


ROUTES = [
    route("a.example.com", "a", prefix="/x"),
    route("a.example.com", "b", prefix="/y"),
    route("a.example.com", prefix="/z"),
    route("open.example.com"),
    route("port.example.com", "p", port=8443),
    route("*.w.example.com"),
    route("*.example.com"),
    route("*.example.com", "w", prefix="/x"),
    route("wild.*", "v", port=8443),
]


@pytest.mark.parametrize(
    ("host", "port", "told"),
    [
        ("a.example.com", None, "ab"),
        ("a.example.com", 8443, "ab"),
        ("open.example.com", None, ""),
        ("port.example.com", 8443, "p"),
        ("port.example.com", None, "w"),
        ("other.example.com", None, "w"),
        ("x.w.example.com", 443, "w"),
        ("wild.org", 8443, "v"),
        ("wild.org", None, "g"),
        ("auth.example.org", None, "g"),
    ],
)
def test_a_host_tells_what_its_filters_let_through(host: str, port: int | None, told: str) -> None:
    assert at(ToldGroups(ROUTES, ["g"], any_port=True), host, port) == told


def test_a_port_of_its_own_counts_where_ports_are_told_apart() -> None:
    routes = [route("a.example.com", "a"), route("a.example.com", "b", port=8443)]
    for any_port, told in ((True, "abaa"), (False, "abga")):
        groups = ToldGroups(routes, ["g"], any_port=any_port)
        assert "".join(at(groups, "a.example.com", port) for port in (None, 8443, 9443, 443)) == told
