"""Hosts with stars: of one owner, or of anybody."""

from __future__ import annotations

import pytest

from pomerium_tw.model import in_one_domain, open_to_anybody


@pytest.mark.parametrize(
    "host",
    [
        "app.example.com",
        "*.example.com",
        "*.*.example.com",
        "app-*.example.com",
        "*.example.co.uk",
        "*.co.example",
        "*.localhost",
        "*.lan",
        "a.*.corp",
        "*.example.com.",
        "*.local",
        "*.intra",
        "*.home.arpa",
        "*.localdomain",
    ],
)
def test_hosts_of_one_owner(host: str) -> None:
    assert in_one_domain(host) and not open_to_anybody(host)


@pytest.mark.parametrize(
    "host",
    [
        "*",
        "*.com",
        "*.com.",
        "*example.com",
        "app.*",
        "app.example.*",
        "*.co.uk",
        "*.com.au",
        "*localhost",
        "*.example.c*m",
        "*.",
    ],
)
def test_hosts_of_anybody(host: str) -> None:
    assert not in_one_domain(host)


@pytest.mark.parametrize(
    ("host", "known"),
    [
        ("*", True),
        ("*.*", True),
        ("*.com", True),
        ("*.com.", True),
        ("*example.dev", True),
        ("*.io", True),
        ("*.co.uk", True),
        ("*.acme", False),
        ("*.k8s", False),
        ("10.0.0.*", False),
        ("app.*", False),
        ("app.example.*", False),
    ],
)
def test_some_hosts_of_anybody_are_known_to_be(host: str, known: bool) -> None:
    assert not in_one_domain(host) and open_to_anybody(host) is known
