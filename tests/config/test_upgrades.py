"""Upgrades and the origins of websockets (spec/proxy §1.4, §2.1, spec/threats WS-02)."""

from __future__ import annotations

import pytest

from .conftest import Load, Problems

HEAD = "routes:\n  - from: https://a.example.com\n    to: http://a\n"
BASE = HEAD + "    allow_public_unauthenticated_access: true\n"
SOCKETS = BASE + "    allow_websockets: true\n"


def upgrades(loaded: Load, text: str) -> frozenset[str]:
    settings = loaded(text).settings
    return settings.upgrades(settings.routes[0])


@pytest.mark.parametrize(
    ("lines", "allowed"),
    [
        ("", {"tls-tunnel/1", "websocket"}),
        ("    allow_upgrades: [Foo]\n", {"foo"}),
        ("    allow_upgrades: []\n", set()),
        ("    allow_upgrades: ['', ' ']\n", set()),
        ("    allow_upgrades: [Foo]\n    allow_websockets: true\n", {"foo", "websocket"}),
        ("    allow_upgrades: ''\n    allow_spdy: true\n", {"spdy/3.1"}),
        ("    allow_upgrades: SPDY/3.1, WebSocket\n", {"spdy/3.1", "websocket"}),
        (
            "    allow_upgrades: [foo]\n    kubernetes_service_account_token: T\n",
            {"foo", "websocket", "spdy/3.1"},
        ),
    ],
)
def test_a_list_of_a_route_replaces_the_global_one(loaded: Load, lines: str, allowed: set[str]) -> None:
    text = "allow_upgrades: [WebSocket, '', TLS-Tunnel/1]\n" + BASE + lines
    assert upgrades(loaded, text) == allowed


def test_nothing_is_upgraded_by_default(loaded: Load) -> None:
    assert upgrades(loaded, BASE) == frozenset()


def test_the_global_list_may_come_from_the_environment(loaded: Load) -> None:
    settings = loaded(BASE, {"ALLOW_UPGRADES": "websocket, foo"}).settings
    assert settings.upgrades(settings.routes[0]) == {"websocket", "foo"}


@pytest.mark.parametrize("name", ["h2c", "H2C", "h2", "HTTP/2.0", "TLS/1.0"])
def test_what_carries_requests_of_its_own_is_never_allowed(problems: Problems, name: str) -> None:
    (found,) = problems(f"{BASE}    allow_upgrades: [foo, {name}]\n")
    assert found.startswith("5:27: allow_upgrades: this protocol carries requests")


@pytest.mark.parametrize("name", ["a b", "a/b/c", "a,b", '"a\\r\\nb"', "/1"])
def test_what_is_no_protocol_is_refused(problems: Problems, name: str) -> None:
    name = name if name.startswith('"') else f"'{name}'"
    (found,) = problems(f"{BASE}    allow_upgrades: [{name}]\n")
    assert found.startswith("5:22: allow_upgrades: this is not the name of a protocol")


def test_origins_are_written_as_browsers_write_them(loaded: Load) -> None:
    lines = (
        "    websocket_origins:\n      - HTTPS://App.Example.com:443/\n      - http://b:8080\n"
        "      - https://[::1]\n      - chrome-extension://abc\n"
    )
    (route,) = loaded(SOCKETS + lines).settings.routes
    assert route.websocket_origins == (
        "https://app.example.com",
        "http://b:8080",
        "https://[::1]",
        "chrome-extension://abc",
    )
    (route,) = loaded(SOCKETS + "    websocket_origins: '*'\n").settings.routes
    assert route.websocket_origins == ("*",)


@pytest.mark.parametrize(
    ("written", "problem"),
    [
        ("null", "every page can have the origin null"),
        ("app.example.com", "this is not the origin of a page"),
        ("https://a/x", "this is not the origin of a page"),
        ("https://*.example.com", "this is not the origin of a page"),
        ("https://u@a", "this is not the origin of a page"),
        ("https://a:0", "port 0 cannot be reached"),
        ("https://a..b", "the host is not a host name"),
    ],
)
def test_what_is_no_origin_is_refused_in_place(problems: Problems, written: str, problem: str) -> None:
    (found,) = problems(f"{SOCKETS}    websocket_origins: ['{written}']\n")
    assert found.startswith(f"6:25: websocket_origins: {problem}")
