"""The one spelling of IPv6 addresses."""

from __future__ import annotations

import pytest

from pomerium_tw.model import canonical_ipv6


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ("2001:DB8:0::1", "2001:db8::1"),
        ("2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"),
        ("0:0:0:0:0:0:0:0", "::"),
        ("1:0:2:3:4:5:6:7", "1:0:2:3:4:5:6:7"),
        ("::FFFF:192.0.2.1", "::ffff:c000:201"),
        ("::ffff:0.0.2.1", "::ffff:0:201"),
        ("64:ff9b::192.0.2.33", "64:ff9b::c000:221"),
    ],
)
def test_it_is_the_one_that_browsers_send(written: str, canonical: str) -> None:
    assert canonical_ipv6(written) == canonical
    assert canonical_ipv6(canonical) == canonical


@pytest.mark.parametrize("written", ["", "::1::", "192.0.2.1", "fe80::1%eth0", "12345::"])
def test_what_is_no_address_of_a_request_is_refused(written: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        canonical_ipv6(written)
