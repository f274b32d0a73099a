"""Redirects that lead back to their own route."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType

import pytest
import re2

from pomerium_tw.config import redirect_checks

from .conftest import Load, Problems

PUBLIC = "    allow_public_unauthenticated_access: true\n"
WAS = "the redirect leads to where the caller was: browsers go round in circles"
AGAIN = "the redirect leads to this route again: browsers go round in circles"
TRUSTED = "insecure_server: true\ntrusted_proxies: 10.0.0.0/8\n"


def route(host: str, lines: str) -> str:
    return f"  - from: {host}\n{PUBLIC}{lines}"


def told(warnings: Problems, routes: str, top: str = "") -> list[str]:
    return [each.partition(": ")[2] for each in warnings(f"{top}routes:\n{routes}") if "circles" in each]


@pytest.mark.parametrize(
    ("rule", "redirect", "message"),
    [
        ("", "{}", WAS),
        ("", "{https_redirect: false}", WAS),
        ("", "{https_redirect: true}", WAS),
        ("", "{scheme_redirect: https}", WAS),
        ("", "{strip_query: true}", WAS),
        ("", "{host_redirect: A.example.com}", WAS),
        ("", "{host_redirect: 'a.example.com:443'}", WAS),
        ("", "{port_redirect: 443}", WAS),
        ("", "{path_redirect: /login}", AGAIN),
        ("", "{prefix_rewrite: /app/}", AGAIN),
        ("path: /a", "{path_redirect: /a}", AGAIN),
        ("path: /a", "{path_redirect: '/a?x=1'}", AGAIN),
        ("path: /é", "{path_redirect: /%C3%A9}", AGAIN),
        ("path: /a", "{prefix_rewrite: /a}", AGAIN),
        ("prefix: /a", "{path_redirect: /ab}", AGAIN),
        ("prefix: /a", "{prefix_rewrite: /a/b}", AGAIN),
        ("regex: /a|/b", "{path_redirect: /b}", AGAIN),
        ("path: /a", "{https_redirect: true, host_redirect: a.example.com, path_redirect: /a}", AGAIN),
    ],
)
def test_a_redirect_to_its_own_route_is_told(
    warnings: Problems, rule: str, redirect: str, message: str
) -> None:
    lines = f"    redirect: {redirect}\n" + (f"    {rule}\n" if rule else "")
    assert told(warnings, route("https://a.example.com", lines)) == [message]


@pytest.mark.parametrize(
    ("rule", "redirect"),
    [
        ("", "{host_redirect: b.example.com}"),
        ("", "{host_redirect: 'a.example.com:8443'}"),
        ("", "{port_redirect: 8443}"),
        ("", "{scheme_redirect: http}"),
        ("", "{path_redirect: /.pomerium/}"),
        ("", "{prefix_rewrite: /.pomerium/}"),
        ("", "{host_redirect: b.example.com, path_redirect: /a}"),
        ("path: /a", "{path_redirect: /b}"),
        ("prefix: /a", "{path_redirect: /b}"),
        ("prefix: /a", "{prefix_rewrite: /b}"),
        ("prefix: /a/", "{prefix_rewrite: /a}"),
        ("regex: /a|/b", "{path_redirect: /c}"),
    ],
)
def test_a_redirect_that_leads_elsewhere_is_not_told(warnings: Problems, rule: str, redirect: str) -> None:
    lines = f"    redirect: {redirect}\n" + (f"    {rule}\n" if rule else "")
    assert told(warnings, route("https://a.example.com", lines)) == []


@pytest.mark.parametrize(
    ("earlier", "redirect", "circle"),
    [
        ("path: /login", "{path_redirect: /login}", False),
        ("prefix: /log", "{path_redirect: /login}", False),
        ("regex: /log.*", "{path_redirect: /login}", False),
        ("path: /log", "{path_redirect: /login}", True),
        ("prefix: /app", "{prefix_rewrite: /app/}", False),
        ("regex: /app/.*", "{prefix_rewrite: /app/}", False),
        ("regex: /app/.*\n    path: /x", "{prefix_rewrite: /app/}", False),
        ("path: /app/", "{prefix_rewrite: /app/}", True),
        ("prefix: /app/x", "{prefix_rewrite: /app/}", True),
        ("prefix: /app", "{https_redirect: true}", True),
    ],
)
@pytest.mark.parametrize("host", ["https://a.example.com", "https://*.example.com"])
def test_a_route_before_it_may_take_what_it_leads_to(
    warnings: Problems, host: str, earlier: str, redirect: str, circle: bool
) -> None:
    first = route(host, f"    to: http://a\n    {earlier}\n")
    second = route(host, f"    redirect: {redirect}\n")
    assert bool(told(warnings, first + second)) is circle
    assert told(warnings, second + first) != []


def test_a_port_of_its_own_is_a_place_of_its_own(warnings: Problems) -> None:
    def found(redirect: str) -> list[str]:
        return told(warnings, route("https://a.example.com:8443", f"    redirect: {redirect}\n"))

    assert found("{https_redirect: true}") == [WAS]
    assert found("{port_redirect: 8443}") == [WAS]
    assert found("{host_redirect: a.example.com}") == []
    assert found("{port_redirect: 443}") == []
    elsewhere = route("https://a.example.com:8443", "    to: http://a\n")
    circle = route("https://a.example.com", "    redirect: {path_redirect: /login}\n")
    assert told(warnings, elsewhere + circle) == [AGAIN]


def test_a_star_is_left_for_a_host_that_a_route_names(warnings: Problems) -> None:
    star = route("https://*.example.com", "    redirect: {host_redirect: www.example.com}\n")
    assert told(warnings, star) == [WAS]
    assert told(warnings, star + route("https://www.example.com", "    to: http://a\n")) == []
    assert told(warnings, route("https://w*", "    to: http://a\n") + star) == []
    assert told(warnings, route("https://z*", "    to: http://a\n") + star) == [WAS]
    assert told(warnings, star.replace("www.example.com}", "www.example.org}")) == []


@pytest.mark.parametrize(
    ("top", "host", "circle"),
    [
        ("", "http://a.example.com", True),
        (TRUSTED, "http://a.example.com", True),
        ("insecure_server: true\nxff_num_trusted_hops: 1\n", "http://a.example.com", True),
        ("insecure_server: true\n", "https://a.example.com", True),
        ("insecure_server: true\n", "http://a.example.com", False),
    ],
)
def test_in_clear_text_alone_https_may_be_somebody_else(
    warnings: Problems, top: str, host: str, circle: bool
) -> None:
    assert bool(told(warnings, route(host, "    redirect: {https_redirect: true}\n"), top)) is circle


def test_who_wants_https_is_led_to_the_redirect_listener(loaded: Load) -> None:
    lines = route("https://a.example.com", "    redirect: {https_redirect: true}\n")
    (warning,) = loaded(f"routes:\n{lines}").warnings
    assert "http_redirect_addr: :80" in warning.hint
    assert (warning.span.line, warning.span.column) == (4, 15)


def calls_of(run: Callable[[], object]) -> int:
    """How many functions of ours are entered, and generators resumed: work that no clock has to measure."""
    entered = 0

    def count(_frame: FrameType, event: str, _argument: object) -> None:
        nonlocal entered
        entered += event == "call"

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        run()
    finally:
        sys.setprofile(before)
    return entered


@pytest.mark.parametrize(
    "redirect",
    [
        "{path_redirect: /app/}",
        "{host_redirect: 'h{n}.example.com'}",
        "{host_redirect: 'a.h{n}.example.com'}",
        "{https_redirect: true}",
    ],
)
@pytest.mark.parametrize("host", ["https://h{n}.example.com", "https://*.h{n}.example.com"])
def test_twice_as_many_routes_are_twice_the_work(loaded: Load, host: str, redirect: str) -> None:
    def work(count: int) -> int:
        pair = route(host, "    to: http://a\n    prefix: /app\n")
        pair += route(host, f"    redirect: {redirect}\n")
        routes = "".join(pair.replace("{n}", str(number)) for number in range(count))
        settings = loaded(f"routes:\n{routes}").settings
        return calls_of(lambda: list(redirect_checks.findings(settings)))

    assert 0 < work(40) < 2.5 * work(20)


def test_a_regex_that_many_redirects_lead_to_is_compiled_once(
    loaded: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = route("https://a.example.com", "    to: http://a\n    regex: /only(?:once|here)\n")
    leading = (f"    path: /{each}\n    redirect: {{path_redirect: /{each}}}\n" for each in range(20))
    routes = first + "".join(route("https://a.example.com", lines) for lines in leading)
    settings = loaded(f"routes:\n{routes}").settings
    compiled: list[str] = []
    compile_it = re2.compile

    def counted(pattern: str, options: object) -> object:
        compiled.append(pattern)
        return compile_it(pattern, options)

    monkeypatch.setattr(re2, "compile", counted)
    assert len(list(redirect_checks.findings(settings))) == 20
    assert len(compiled) <= 1


@pytest.mark.parametrize(
    "redirect", ["{host_redirect: new.example.com}", "{https_redirect: false, path_redirect: /x}"]
)
def test_a_redirect_that_leaves_tls_unseen_is_told(warnings: Problems, redirect: str) -> None:
    routes = "routes:\n" + route("https://a.example.com", f"    prefix: /a\n    redirect: {redirect}\n")
    (warning,) = warnings(f"insecure_server: true\n{routes}")
    place, _, message = warning.partition(": ")
    assert (place, message.partition(": it")[0]) == ("6:15", "the redirect leads to http://")
    assert warnings(routes) == []
    assert warnings(TRUSTED + routes) == []
    hops = warnings(f"insecure_server: true\nxff_num_trusted_hops: 1\n{routes}")
    assert not any("leads to http://" in each for each in hops)


@pytest.mark.parametrize(
    ("host", "redirect"),
    [
        ("https://a.example.com", "{host_redirect: b.example.com, scheme_redirect: https}"),
        ("https://a.example.com", "{host_redirect: b.example.com, https_redirect: true}"),
        ("https://a.example.com", "{host_redirect: b.example.com, scheme_redirect: http}"),
        ("http://a.example.com", "{host_redirect: b.example.com}"),
    ],
)
def test_a_redirect_whose_scheme_is_meant_is_not(warnings: Problems, host: str, redirect: str) -> None:
    written = route(host, f"    redirect: {redirect}\n")
    found = warnings(f"insecure_server: true\nroutes:\n{written}")
    assert not any("leads to http://" in each for each in found)
