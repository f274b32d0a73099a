"""Routes as written become routes as run, every global default filled in."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from pomerium_tw.config import Loaded, load
from pomerium_tw.model import DirectResponse, HeaderRewrite, Redirect, Route, Substitution
from pomerium_tw.service.policies import Policies
from pomerium_tw.service.routes import build_route, with_checksum

FROM = "routes:\n  - from: https://a.example.com\n    allow_public_unauthenticated_access: true\n"
TO = FROM + "    to: http://a\n"


@pytest.fixture
def built(tmp_path: Path) -> Any:
    def build(text: str) -> Route:
        loaded = written(tmp_path, text)
        return build_route(loaded.settings, loaded.settings.routes[0], "")

    return build


def written(folder: Path, text: str) -> Loaded:
    (folder / "config.yaml").write_text(text)
    return load(folder / "config.yaml", {})


def test_rewriting_limits_and_upgrades_are_filled_in(built: Any) -> None:
    route = built(
        "max_request_body: 10\nallow_upgrades: [foo]\n" + TO + "    regex_rewrite_pattern: /(x)\n"
        "    regex_rewrite_substitution: '/\\1'\n"
        "    host_rewrite_header: X-Host\n"
        "    path_with_escaped_slashes_action: keep_unchanged\n"
        "    allow_websockets: true\n"
        "    websocket_origins: [https://b]\n"
        "    rewrite_response_headers: [{header: Location, prefix: a, value: b}]\n"
    )
    assert route.regex_rewrite == Substitution("/(x)", r"/\1")
    assert route.host_rewrite_header == "X-Host"
    assert route.escaped_slashes == "keep_unchanged"
    assert route.upgrades == {"foo", "websocket"}
    assert route.websocket_origins == ("https://b",)
    assert route.max_request_body == 10
    assert route.rewrite_response_headers == (HeaderRewrite("Location", "a", "b"),)
    assert (route.redirect, route.response) == (None, None)
    host = built(TO + "    host_path_regex_rewrite_pattern: x\n    host_path_regex_rewrite_substitution: y\n")
    assert host.host_path_rewrite == Substitution("x", "y")


def test_a_route_s_own_limit_wins_even_where_it_is_off(built: Any) -> None:
    for own, limit in (("", 10), ("    max_request_body: 5\n", 5), ("    max_request_body: 0\n", 0)):
        assert built("max_request_body: 10\n" + TO + own).max_request_body == limit


def test_answers_of_our_own_have_no_upstream(built: Any) -> None:
    route = built(FROM + "    redirect: {host_redirect: b}\n")
    assert (route.upstreams, route.redirect, route.response) == ((), Redirect(host="b"), None)
    route = built(FROM + "    response: {status: 404, body: x}\n")
    assert (route.upstreams, route.redirect, route.response) == ((), None, DirectResponse(404, "x"))


@pytest.mark.parametrize(
    ("lines", "timeout", "idle"),
    [
        ("", 20.0, 300.0),
        ("    timeout: 5s\n", 5.0, 300.0),
        ("    timeout: 0\n", 0.0, 300.0),
        ("    idle_timeout: 5s\n", 20.0, 5.0),
        ("    allow_websockets: true\n", 0.0, 0.0),
        ("    allow_spdy: true\n", 0.0, 0.0),
        ("    allow_upgrades: [foo]\n", 0.0, 0.0),
        ("    allow_upgrades: []\n", 20.0, 300.0),
        ("    kubernetes_service_account_token: T\n", 0.0, 0.0),
        ("    allow_websockets: true\n    timeout: 5s\n", 5.0, 0.0),
        ("    allow_websockets: true\n    idle_timeout: 5s\n", 0.0, 5.0),
    ],
)
def test_routes_with_upgrades_have_all_the_time(built: Any, lines: str, timeout: float, idle: float) -> None:
    route = built("default_upstream_timeout: 20s\n" + TO + lines)
    assert (route.timeout, route.idle_timeout) == (timeout, idle)


def test_a_global_list_of_upgrades_gives_all_routes_the_time(built: Any) -> None:
    route = built("allow_upgrades: [websocket]\n" + TO)
    assert (route.timeout, route.idle_timeout) == (0.0, 0.0)


def test_every_field_of_a_route_changes_its_checksum(built: Any) -> None:
    base = with_checksum(built(TO), (), strict=False).checksum
    changes = [
        "regex_rewrite_pattern: x",
        "host_rewrite_header: X-Host",
        "host_path_regex_rewrite_pattern: x",
        "path_with_escaped_slashes_action: keep_unchanged",
        "allow_websockets: true",
        "websocket_origins: ['*']",
        "max_request_body: 1",
        "rewrite_response_headers: [{header: Location, prefix: a, value: b}]",
    ]
    found = {with_checksum(built(f"{TO}    {each}\n"), (), strict=False).checksum for each in changes}
    assert len(found | {base}) == len(changes) + 1
    answers = ("redirect: {host_redirect: b}", "redirect: {host_redirect: c}", "response: {status: 200}")
    found = {with_checksum(built(f"{FROM}    {each}\n"), (), strict=False).checksum for each in answers}
    assert len(found) == len(answers)
    assert {each.name for each in fields(Route)} >= {"redirect", "response", "upgrades"}


def test_of_equal_routes_the_policy_of_the_first_counts(tmp_path: Path) -> None:
    route = "  - from: https://a.example.com\n    response: {status: 200, body: x}\n"
    closed = route + "    policy: [{deny: {or: [{accept: true}]}}]\n"
    loaded = written(
        tmp_path, "routes:\n" + closed + route + "    allow_public_unauthenticated_access: true\n"
    )
    first, second = (each.id for _path, each in loaded.settings.all_routes)
    assert first == second
    (policy,) = Policies(loaded).compiled[first].policies
    assert [rule.action for rule in policy.rules] == ["deny"]
