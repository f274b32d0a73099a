"""The one spelling of an IPv6 address that browsers send and routes are found by."""

from __future__ import annotations

from ipaddress import IPv6Address


def canonical_ipv6(written: str) -> str:
    """An IPv6 address without brackets as URLs have it (WHATWG URL §3.5): lower case, zeros left out.

    Raises ValueError for what is none, and for addresses with a zone (``%eth0``), which no request has.
    """
    address = IPv6Address(written)
    if address.scope_id is not None:
        raise ValueError("the address has a zone")
    if address.ipv4_mapped is None:
        return str(address)
    # Newer versions of Python write these with dots, browsers do not.
    low = int(address.ipv4_mapped)
    return f"::ffff:{low >> 16:x}:{low & 0xFFFF:x}"
