from __future__ import annotations

import time

import pytest

from pomerium_tw.session import CookieSettings, cookie_values, owned_cookie_pattern
from pomerium_tw.session.cookies import MAX_COOKIE_CANDIDATES


def test_the_default_cookie_is_host_only_and_out_of_reach_of_scripts() -> None:
    assert CookieSettings().session("value", "app.example.com") == (
        b"__Host-_pomerium=value; Path=/; Max-Age=50400; Secure; HttpOnly"
    )


def test_settings_shape_the_cookie() -> None:
    settings = CookieSettings("_x", "example.com", http_only=False, expire=60.0, same_site="strict")
    cookie = settings.session("v", "app.example.com")
    assert cookie == b"_x=v; Path=/; Domain=example.com; Max-Age=60; Secure; SameSite=Strict"


def test_the_authenticate_cookie_has_its_own_name_and_is_always_host_only() -> None:
    settings = CookieSettings(domain="example.com")
    assert settings.authenticate_name == "__Host-_pomerium_authenticate"
    cookie = settings.authenticate("v")
    assert cookie.startswith(b"__Host-_pomerium_authenticate=v; ") and b"Domain" not in cookie


def test_clearing_names_the_same_cookie() -> None:
    settings = CookieSettings(domain="example.com", same_site="lax")
    assert settings.clear_session("app.example.com") == (
        b"_pomerium=; Path=/; Domain=example.com; Max-Age=0; Secure; HttpOnly; SameSite=Lax"
    )
    assert b"Domain" not in settings.clear_authenticate()


@pytest.mark.parametrize("host", ["example.com", "app.example.com", "a.b.example.com"])
def test_the_cookie_of_a_domain_is_that_of_its_hosts(host: str) -> None:
    settings = CookieSettings(domain="example.com")
    assert settings.covers(host) and settings.session_name(host) == "_pomerium"
    assert settings.set_by(host) is settings


@pytest.mark.parametrize("host", ["other.test", "notexample.com", "com", "example.com.test", "", "[::1]"])
def test_a_host_outside_of_the_domain_has_a_cookie_of_its_own(host: str) -> None:
    settings = CookieSettings(domain="example.com")
    assert not settings.covers(host) and settings.session_name(host) == "__Host-_pomerium"
    for cookie in (settings.session("v", host), settings.clear_session(host)):
        assert cookie.startswith(b"__Host-_pomerium=") and b"Domain" not in cookie


def test_a_domain_that_the_authenticate_host_is_not_in_counts_nowhere() -> None:
    settings = CookieSettings("_x", "example.com", expire=60.0).set_by("auth.other.test")
    assert settings == CookieSettings("_x", expire=60.0)
    assert not settings.covers("app.example.com")


@pytest.mark.parametrize(
    ("header", "values"),
    [
        (None, []),
        (b"", []),
        (b"a=1", []),
        (b"_pomerium=1", ["1"]),
        (b"a=b; _pomerium=1; _pomerium=2;_pomerium=3", ["1", "2", "3"]),
        (b'_pomerium="1"', ['"1"']),
        (b"_pomerium", []),
        (b"_pomerium=", [""]),
        (b"_pomerium=a=b", ["a=b"]),
        (b"x_pomerium=1; _pomerium_authenticate=2; _Pomerium=3; a=_pomerium=4", []),
        (b"; ;;=; _pomerium=\xff\x00", ["\xff\x00"]),
    ],
)
def test_every_cookie_of_exactly_that_name_is_found_in_order(header: bytes | None, values: list[str]) -> None:
    assert cookie_values(header, "_pomerium") == values


def test_a_header_full_of_cookies_of_the_name_costs_little() -> None:
    header = b"; ".join([b"_pomerium=x"] * 100_000)
    began = time.perf_counter()
    assert len(cookie_values(header, "_pomerium")) == MAX_COOKIE_CANDIDATES
    assert time.perf_counter() - began < 1


@pytest.mark.parametrize(
    ("name", "owned"),
    [
        (b"_pomerium", True),
        (b"_pomerium_authenticate", True),
        (b"_pomerium_flow_AZaz09_-", True),
        (b"_pomerium_flow_", False),
        (b"_pomerium_other", False),
        (b"x_pomerium", False),
        (b"_pomeriumx", False),
        (b"_POMERIUM", False),
    ],
)
def test_our_cookies_are_told_apart_from_the_applications(name: bytes, owned: bool) -> None:
    assert bool(owned_cookie_pattern("_pomerium").fullmatch(name)) is owned


def test_a_name_is_no_pattern() -> None:
    assert not owned_cookie_pattern("a.b").fullmatch(b"axb")
