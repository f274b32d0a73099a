"""Hosts with stars: of one owner, or of anybody."""

from __future__ import annotations

import pytest

from pomerium_tw.model import in_one_domain


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
    ],
)
def test_hosts_of_one_owner(host: str) -> None:
    assert in_one_domain(host)


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
