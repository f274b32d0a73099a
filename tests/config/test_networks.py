"""Networks of trusted proxies (spec/proxy §3.2)."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from pomerium_tw.config.networks import network
from pomerium_tw.config.problem import DecodeError


@pytest.mark.parametrize(
    ("written", "found"),
    [
        ("192.0.2.1", "192.0.2.1/32"),
        (" 192.0.2.77/24 ", "192.0.2.0/24"),
        ("192.0.2.0/255.255.255.0", "192.0.2.0/24"),
        ("2001:DB8::1", "2001:db8::1/128"),
        ("::ffff:192.0.2.1", "192.0.2.1/32"),
        ("::ffff:192.0.2.0/120", "192.0.2.0/24"),
        ("::/0", "::/0"),
    ],
)
def test_an_address_or_a_network(written: str, found: str) -> None:
    assert network(written) == ip_network(found)


@pytest.mark.parametrize(
    "written", ["", " ", "a", "192.0.2", "192.0.2.0/33", "fe80::1%eth0", "010.0.0.1", True]
)
def test_what_is_neither_is_refused(written: object) -> None:
    with pytest.raises(DecodeError):
        network(written)
