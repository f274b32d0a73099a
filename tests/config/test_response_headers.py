"""Which headers every answer carries (spec/proxy §3.9)."""

from __future__ import annotations

import base64

import pytest

from .conftest import Load, Problems, pem_pair

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


@pytest.mark.parametrize(
    "name", ["Date", "x-request-ID", "Content-Length", "transfer-encoding", "Connection"]
)
def test_headers_of_each_answer_itself_are_refused(problems: Problems, name: str) -> None:
    (found,) = problems(f"set_response_headers: {{X-A: b, {name}: c}}\n")
    assert found.startswith(f"1:32: {name}: the header {name} ")
    (found,) = problems(route(f"{{{name}: c}}"))
    assert found.startswith(f"4:28: {name}: the header {name} ")


def test_one_header_in_two_spellings_is_refused_in_its_place(problems: Problems) -> None:
    message = "x-dup: this is the same header as X-Dup"
    assert problems("set_response_headers: {X-Dup: a, X-B: b, x-dup: c}\n") == [f"1:49: {message}"]
    assert problems(route("{X-Dup: a, x-dup: a}")) == [f"4:45: {message}"]
    assert problems("", {"HEADERS": "X-Dup:a,x-dup:b"}) == [f"environment HEADERS: {message}"]


def test_a_header_that_the_variable_names_twice_is_refused(problems: Problems) -> None:
    assert problems("", {"HEADERS": "X-A:a,X-A:b"}) == ["environment HEADERS: a header is named twice"]


def test_a_disabled_set_may_hold_anything_besides(loaded: Load) -> None:
    settings = loaded("set_response_headers: {disable: true, X-A: b, x-a: c, Date: d}\n").settings
    assert settings.response_headers() == {}
