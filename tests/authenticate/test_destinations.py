from __future__ import annotations

import pytest

from pomerium_tw.authenticate import Destinations, RedirectError

OURS = Destinations(
    [("app.example.com", None), ("fixed.example.com", 9443), ("*.apps.example.com", None), ("[::1]", None)],
    [8443],
)


@pytest.mark.parametrize(
    "authority",
    [
        "app.example.com",
        "app.example.com:443",
        "app.example.com:8443",
        "fixed.example.com:9443",
        "one.apps.example.com",
        "one.two.apps.example.com:8443",
        "[::1]",
        "[::1]:8443",
    ],
)
def test_sessions_go_to_hosts_of_routes_at_ports_that_are_ours(authority: str) -> None:
    assert OURS.authority(f"https://{authority}/page") == authority


@pytest.mark.parametrize(
    "authority",
    [
        "evil.example.com",
        "app.example.com.evil.com",
        "app.example.com:9999",
        "app.example.com:80",
        "fixed.example.com",
        "fixed.example.com:8443",
        "apps.example.com",
        "one.apps.example.com:9999",
        "one.apps.example.com.evil.com",
        "[::1]:9999",
    ],
)
def test_sessions_go_nowhere_else(authority: str) -> None:
    with pytest.raises(RedirectError, match="no route"):
        OURS.authority(f"https://{authority}/")


def test_an_address_must_be_one_in_a_browsers_eyes_too() -> None:
    with pytest.raises(RedirectError):
        OURS.authority("https://app.example.com\\@evil.com/")
