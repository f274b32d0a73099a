"""Lists of networks: proxies that are trusted, addresses that no upstream may have (spec/proxy §3.2)."""

from __future__ import annotations

import ipaddress
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainValidator

from .problem import DecodeError
from .values import listed, word

_MAPPED_BITS = 96  # in front of the IPv4 address in one that maps it (RFC 4291 §2.5.5.2)

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def network(value: Any) -> Network:
    """An address or a network; IPv4 where it maps IPv4, as peers are written."""
    written = word(value)
    try:
        if "%" in written:
            raise ValueError("a zone means nothing to other machines")
        found = ipaddress.ip_network(written, strict=False)
    except ValueError:
        raise DecodeError(
            "this is not an address or a network",
            "write 192.0.2.1, 192.0.2.0/24 or 2001:db8::/32, and several as a list",
        ) from None
    mapped = getattr(found.network_address, "ipv4_mapped", None)
    if mapped is None:
        return found
    return ipaddress.IPv4Network((int(mapped), found.prefixlen - _MAPPED_BITS))


Networks = Annotated[tuple[Annotated[Network, PlainValidator(network)], ...], BeforeValidator(listed)]
