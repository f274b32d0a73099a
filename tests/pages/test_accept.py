"""Negotiation: what a client would rather read, and whether a redirect helps it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pomerium_tw.pages import best, is_grpc, is_grpc_web, prefers_json, wants_redirect
from pomerium_tw.pages.accept import HTML, JSON, MAX_ACCEPT_BYTES, PLAIN, made_by_script, parse_accept

from .memory import BROWSER, incoming


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        (None, HTML),
        ("", HTML),
        ("*/*", HTML),
        (BROWSER, HTML),
        ("application/json", JSON),
        ("APPLICATION/JSON", JSON),
        ("application/json; charset=utf-8", JSON),
        ("application/*", JSON),
        ("text/*", HTML),
        ("text/plain,text/html", PLAIN),
        ("text/html,text/plain", HTML),
        ("application/json, text/plain, */*", JSON),
        ("text/html;q=0.5, application/json;q=0.6", JSON),
        ("text/html;q=.5, application/json;q=.4", HTML),
        ("*/*, text/html;q=0, application/json;q=0.1", PLAIN),
        ("text/*;q=0.2, text/html;q=0.9, application/json;q=0.5", HTML),
        ("text/html;q=0, application/json;q=0, text/plain;q=0", HTML),
        ("application/json;q=0, text/html;q=0", HTML),
        ("image/png", HTML),
        ("nonsense", HTML),
        ("nonsense, application/json", JSON),
        ("*/json, application/json", JSON),
        ("text/html;q=2, application/json;q=0.1", JSON),
        ("text/html;q=NaN, application/json;q=0.1", JSON),
        ('text/html;x="a,application/json;q=1";q=0.1, text/plain;q=0.2', PLAIN),
        ('text/html;x="unclosed, application/json', HTML),
        (",,;,/,text/", HTML),
    ],
)
def test_the_best_offer_is_the_one_liked_most(accept: str | None, chosen: str) -> None:
    value = None if accept is None else accept.encode()
    assert best(value, (HTML, JSON, PLAIN)) == chosen


def test_the_first_offer_is_the_default() -> None:
    assert best(None, (JSON, HTML)) == JSON
    assert best(b"*/*", (JSON, HTML)) == JSON


def test_an_oversized_header_counts_as_absent() -> None:
    padding = b", image/png" * MAX_ACCEPT_BYTES
    assert best(b"application/json", (HTML, JSON)) == JSON
    assert best(b"application/json" + padding, (HTML, JSON)) == HTML


@given(st.binary(max_size=200))
def test_no_header_value_breaks_the_parser(value: bytes) -> None:
    for item in parse_accept(value):
        assert 0 <= item.quality <= 1
    assert best(value, (HTML, JSON)) in (HTML, JSON)


@pytest.mark.parametrize(
    ("headers", "redirected"),
    [
        ({}, True),
        ({"accept": "*/*"}, True),
        ({"accept": BROWSER}, True),
        ({"accept": "text/html"}, True),
        ({"accept": "nonsense"}, True),
        ({"accept": "application/json"}, False),
        ({"accept": "text/plain"}, False),
        ({"accept": "application/grpc-web-text"}, False),
        ({"content_type": "application/grpc"}, False),
        ({"content_type": "application/grpc+json"}, False),
        ({"content_type": "application/grpc; charset=utf-8"}, False),
        ({"content_type": "application/grpc-web-text"}, False),
        ({"content_type": "application/grpc-web+json"}, False),
        ({"content_type": "application/x-www-form-urlencoded"}, True),
        ({"authorization": "Pomerium jwt"}, False),
        ({"authorization": "Bearer Pomerium-jwt"}, False),
        ({"authorization": "Bearer other"}, True),
        ({"authorization": "Basic dTpw"}, True),
        ({"x_pomerium_authorization": "jwt"}, False),
        ({"x_requested_with": "XMLHttpRequest", "accept": BROWSER}, False),
        ({"x_requested_with": "com.example.webview", "accept": BROWSER}, True),
        ({"sec_fetch_mode": "navigate", "accept": BROWSER}, True),
        ({"sec_fetch_mode": "navigate", "accept": "application/json"}, False),
        ({"sec_fetch_mode": "cors", "accept": "*/*"}, False),
        ({"sec_fetch_mode": "same-origin"}, False),
        ({"sec_fetch_mode": "no-cors", "accept": "image/*,*/*;q=0.8"}, False),
        ({"sec_fetch_mode": "websocket"}, False),
    ],
)
def test_only_navigations_are_sent_to_sign_in(headers: dict[str, str], redirected: bool) -> None:
    assert wants_redirect(incoming("/x", **headers)) is redirected


def test_a_session_in_the_query_is_not_redirected() -> None:
    assert not wants_redirect(incoming(query="a=1&pomerium_session=jwt"))
    assert wants_redirect(incoming(query="xpomerium_session=jwt&pomerium_sessions=1"))


def test_a_websocket_handshake_is_not_redirected() -> None:
    assert not wants_redirect(incoming(upgrade="websocket"))
    assert wants_redirect(incoming(upgrade="h2c"))


def test_clients_of_an_mcp_server_are_not_redirected() -> None:
    assert not wants_redirect(incoming(accept=BROWSER), mcp_server=True)


def test_robots_are_not_redirected() -> None:
    assert not wants_redirect(incoming("/robots.txt"))


@pytest.mark.parametrize(
    ("headers", "json"),
    [
        ({}, False),
        ({"accept": BROWSER}, False),
        ({"accept": "application/json"}, True),
        ({"accept": "text/html, application/json"}, False),
        ({"accept": "application/json, text/html"}, True),
        ({"sec_fetch_mode": "cors", "accept": "*/*"}, True),
        ({"sec_fetch_mode": "cors", "accept": "text/html"}, False),
        ({"x_requested_with": "xmlhttprequest"}, True),
        ({"sec_fetch_mode": "cors", "accept": "*/*", "content_type": "application/grpc-web"}, False),
    ],
)
def test_json_is_for_those_who_prefer_it_and_for_scripts(headers: dict[str, str], json: bool) -> None:
    assert prefers_json(incoming(**headers)) is json


def test_grpc_and_grpc_web_are_told_apart() -> None:
    assert is_grpc(incoming(content_type="application/grpc+proto"))
    assert not is_grpc(incoming(content_type="application/grpc-web"))
    assert not is_grpc(incoming(content_type="application/grpcx"))
    assert is_grpc_web(incoming(content_type="Application/gRPC-Web-Text; x=y"))
    assert not is_grpc_web(incoming(content_type="application/grpc"))


def test_a_page_load_is_not_a_script() -> None:
    assert not made_by_script(incoming(sec_fetch_mode="navigate"))
    assert not made_by_script(incoming())
