"""Which headers every answer carries (spec/proxy §3.9)."""

from __future__ import annotations

import base64

from .conftest import Load, pem_pair

FRAME = {"X-Frame-Options": "SAMEORIGIN", "X-XSS-Protection": "1; mode=block"}
HSTS = {"Strict-Transport-Security": "max-age=31536000; includeSubDomains; preload"}


def route(headers: str) -> str:
    return (
        f"routes:\n  - from: https://a.example.com\n    to: http://a\n    set_response_headers: {headers}\n"
    )


def test_hsts_needs_a_certificate(loaded: Load) -> None:
    assert loaded("").settings.response_headers() == FRAME
    chain, key = (base64.b64encode(pem).decode() for pem in pem_pair())
    settings = loaded(f"certificate: {chain}\ncertificate_key: {key}\n").settings
    assert settings.response_headers() == FRAME | HSTS


def test_setting_the_key_drops_all_defaults(loaded: Load) -> None:
    assert loaded("set_response_headers: {}\n").settings.response_headers() == {}
    assert loaded("set_response_headers: {X-A: b}\n").settings.response_headers() == {"X-A": "b"}


def test_disable_empties_the_set(loaded: Load) -> None:
    assert loaded("set_response_headers: {disable: true, X-A: b}\n").settings.response_headers() == {}


def test_a_routes_headers_lie_over_the_global_ones(loaded: Load) -> None:
    settings = loaded(route("{x-frame-options: DENY, X-Own: a}")).settings
    assert settings.response_headers(settings.routes[0]) == {
        "X-XSS-Protection": "1; mode=block",
        "x-frame-options": "DENY",
        "X-Own": "a",
    }


def test_a_route_may_disable_all(loaded: Load) -> None:
    settings = loaded(route("{disable: 'true'}")).settings
    assert settings.response_headers(settings.routes[0]) == {}
