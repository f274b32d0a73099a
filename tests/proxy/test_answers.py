from __future__ import annotations

import json

import pytest

from pomerium_tw.model import DirectResponse, Redirect, Reply, Route
from pomerium_tw.proxy import RoutePlan
from tests.proxy.test_router import request


def answer(authority: str, target: str = "/", *, scheme: str = "https", **fields: object) -> Reply:
    route = Route(id="r", name="r", host="a", port=None, **fields)  # type: ignore[arg-type]
    plan = RoutePlan(route, None)
    assert plan.answer is not None and plan.cluster is None
    return plan.answer(request(authority, target)._replace(scheme=scheme))


@pytest.mark.parametrize(
    ("rule", "asked", "location"),
    [
        (Redirect(host="b"), ("a:8443", "/x?y=%2F"), "https://b/x?y=%2F"),
        (Redirect(host="b", port=8443), ("a", "/x"), "https://b:8443/x"),
        (Redirect(host="b", port=443), ("a", "/x"), "https://b/x"),
        (Redirect(host="[::1]", port=81), ("a", "/x"), "https://[::1]:81/x"),
        (Redirect(port=81), ("a:8443", "/x"), "https://a:81/x"),
        (Redirect(scheme="http"), ("a:443", "/x"), "http://a/x"),
        (Redirect(scheme="http"), ("a:8443", "/x"), "http://a:8443/x"),
        (Redirect(path="/new"), ("a", "/x?y"), "https://a/new?y"),
        (Redirect(path="/new?z"), ("a", "/x?y"), "https://a/new?z"),
        (Redirect(path="/new?z", strip_query=True), ("a", "/x?y"), "https://a/new?z"),
        (Redirect(path="/new", strip_query=True), ("a", "/x?y"), "https://a/new"),
        (Redirect(path="/new", prefix="/never"), ("a", "/x"), "https://a/new"),
        (Redirect(strip_query=True), ("a", "/x?y"), "https://a/x"),
        (Redirect(prefix="/new"), ("a", "/"), "https://a/new"),
        (Redirect(prefix="/new/"), ("a", "/x?y"), "https://a/new/x?y"),
        (Redirect(host="b"), ("a", "/a%20b/%C3%A9"), "https://b/a%20b/%C3%A9"),
        (Redirect(host="b"), ("a", "/x?//evil.com"), "https://b/x?//evil.com"),
    ],
)
def test_where_a_redirect_leads(rule: Redirect, asked: tuple[str, str], location: str) -> None:
    reply = answer(*asked, redirect=rule)
    assert (reply.status, reply.headers, reply.body) == (301, ((b"Location", location.encode()),), b"")


def test_the_scheme_that_was_asked_by_stays_or_is_left() -> None:
    assert answer("a:80", scheme="http", redirect=Redirect(scheme="https")).headers[0][1] == b"https://a/"
    assert answer("a:80", scheme="http", redirect=Redirect(path="/x")).headers[0][1] == b"http://a/x"
    assert answer("a", redirect=Redirect(status=308)).status == 308


def test_a_redirect_replaces_what_the_route_matched() -> None:
    rule = Redirect(host="b", prefix="/new")
    assert answer("a", "/old/x?y", prefix="/old", redirect=rule).headers[0][1] == b"https://b/new/x?y"
    assert answer("a", "/old", path="/old", redirect=rule).headers[0][1] == b"https://b/new"
    assert answer("a", "/old/x", regex="/old/.*", redirect=rule).headers[0][1] == b"https://b/new"
    cut = Redirect(prefix="/")
    assert answer("a", "/old//evil.com", prefix="/old", redirect=cut).headers[0][1] == b"https://a/evil.com"
    assert answer("a", "/old../x", prefix="/old", redirect=cut).status == 400


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        ("OK\n", b"text/plain; charset=utf-8"),
        ("é <b>", b"text/plain; charset=utf-8"),
        ("<!DOCTYPE html>\n<p>é", b"text/html; charset=utf-8"),
        (" <html><p>", b"text/html; charset=utf-8"),
        (json.dumps({"a": "<html>"}), b"application/json"),
        ("[1]", b"application/json"),
        ("[not json]", b"text/plain; charset=utf-8"),
    ],
)
def test_a_direct_response_says_what_it_is(body: str, content_type: bytes) -> None:
    reply = answer("a", response=DirectResponse(418, body))
    assert reply == Reply(418, ((b"Content-Type", content_type),), body.encode())


def test_a_direct_response_without_a_body_has_no_type() -> None:
    assert answer("a", response=DirectResponse(204)) == Reply(204)


def test_routes_with_upstreams_have_no_answer_of_their_own() -> None:
    assert RoutePlan(Route(id="r", name="r", host="a", port=None), None).answer is None
