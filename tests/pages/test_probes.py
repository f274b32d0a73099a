"""Liveness, robots, redirects."""

from __future__ import annotations

import pytest

from pomerium_tw.pages import Probe, Redirect, Robots

from .memory import drive, incoming


def test_a_probe_answers_ok() -> None:
    answer = drive(Probe(), incoming("/ping"))
    assert (answer.status, answer.body) == (200, b"OK\n")
    assert (answer.header("content-type") or "").startswith("text/plain")


def test_a_probe_answers_head() -> None:
    answer = drive(Probe(), incoming("/ping", method="HEAD"))
    assert (answer.status, answer.body) == (200, b"")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_a_probe_answers_nothing_else(method: str) -> None:
    assert drive(Probe(), incoming("/ping", method=method)).status == 405


def test_robots_stay_out() -> None:
    answer = drive(Robots(), incoming("/robots.txt"))
    assert (answer.status, answer.body) == (200, b"User-agent: *\nDisallow: /")


@pytest.mark.parametrize(("query", "location"), [(None, "/y"), ("", "/y?"), ("a=b&c", "/y?a=b&c")])
def test_a_redirect_keeps_the_query(query: str | None, location: str) -> None:
    answer = drive(Redirect("/y"), incoming("/x", query=query))
    assert (answer.status, answer.header("location")) == (302, location)
