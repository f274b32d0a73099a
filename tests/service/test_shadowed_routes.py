"""What is called unreachable when a configuration is read is what the router never finds."""

from __future__ import annotations

import random
from itertools import product
from pathlib import Path

import pytest

from pomerium_tw.config import load
from pomerium_tw.model import Head, Peer, Request, Target
from pomerium_tw.proxy import RoutePlan, Router
from pomerium_tw.proxy.cluster import Cluster
from pomerium_tw.service.routes import build_route

HOSTS = ("a.b", "a.b:8443", "c.b", "*.b", "*.b:8443", "a*", "*.*.b", "*.c.b", "a*.c.b", "**.b")
RULES = ("", "prefix: /", "prefix: /a", "prefix: /ab", "path: /a", "path: /ab/c", "regex: '/a.*'")
ASKED = ("a.b", "c.b", "d.b", "x.c.b", "a.c.b", "ax", "a.x.b")
PORTS = (None, 443, 8443, 9443)
PATHS = ("/", "/a", "/ab", "/abc", "/ab/c", "/ab/c/d", "/x")


@pytest.mark.parametrize("any_port", [True, False])
def test_no_request_of_any_kind_finds_what_is_said_to_be_never_reached(
    tmp_path: Path, any_port: bool
) -> None:
    chance, told, reached = random.Random(7), 0, 0  # noqa: S311 - the same each time
    head = f"insecure_server: true\nruntime_flags: {{match_any_incoming_port: {str(any_port).lower()}}}\n"
    for _ in range(60):
        written = [(chance.choice(HOSTS), chance.choice(RULES)) for _ in range(6)]
        lines = [
            f"  - {{from: 'https://{host}', to: 'http://u{number}'{rule and ', '}{rule}, "
            "allow_public_unauthenticated_access: true}\n"
            for number, (host, rule) in enumerate(written)
        ]
        file = tmp_path / "c.yaml"
        file.write_text(f"{head}routes:\n{''.join(lines)}", "utf-8")
        loaded = load(file, {})
        routes = [build_route(loaded.settings, route, "") for _path, route in loaded.settings.all_routes]
        plans = [RoutePlan(route, Cluster(route.name, [])) for route in routes]
        router = Router(plans, any_port=any_port)
        found = {
            plans.index(plan)
            for host, port, path in product(ASKED, PORTS, PATHS)
            if (plan := router.find(asked(host, port, path))) is not None
        }
        lines_told = {each.span.line - 4 for each in loaded.warnings if "never reached" in each.message}
        assert not found & lines_told, "".join(lines)
        told, reached = told + len(lines_told), reached + len(found)
    assert told > 50
    assert reached > 50


def asked(host: str, port: int | None, path: str) -> Request:
    head = Head(host=host, port=port, fields=(), passed=b"")
    return Request("", "GET", "https", Target(path.encode(), path, None), head, Peer("", 0))
