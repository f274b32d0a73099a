"""The header by which a load balancer tells whose connection it passes on: PROXY protocol 1 and 2.

Source: HAProxy's proxy-protocol.txt, §2. Read strictly: whoever sends anything else has not come by the load
balancer, and could name any address.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

MAX_LINE = 107
"""Bytes of a header of version 1 at most, its line end included (§2.1)."""
MAX_HEADER = 4096
"""Bytes of a header at most. Version 2 could have 65,551, but what it carries besides addresses is small."""

_LINE = b"PROXY "
_SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
_FIXED = 16
"""Bytes of version 2 before the addresses."""
_PORT = re.compile(rb"0|[1-9][0-9]{0,4}")
_ADDRESSES = {0x00: 0, 0x11: 12, 0x21: 36, 0x31: 216}
"""Family and transport → bytes of addresses: unspecified, TCP over IPv4 and IPv6, unix streams (§2.2)."""


class ProxyHeaderError(ValueError):
    """What came is no header; the text says why, and quotes nothing."""


@dataclass(frozen=True, slots=True)
class ProxyHeader:
    size: int
    """Bytes of the header."""
    client: tuple[str, int] | None
    """Address and port; None where the header names none: the connection's own count then."""


def read_header(data: bytes) -> ProxyHeader | None:
    """The header that ``data`` begins with; None while it may become one. Raises ProxyHeaderError.

    Where the answer is None, all of ``data`` belongs to the header.
    """
    if _LINE.startswith(data[: len(_LINE)]):
        return _line(data)
    if _SIGNATURE.startswith(data[: len(_SIGNATURE)]):
        return _binary(data)
    raise ProxyHeaderError("the connection does not begin with a PROXY header")


def _line(data: bytes) -> ProxyHeader | None:
    end = data.find(b"\r\n", 0, MAX_LINE)
    if end < 0:
        if len(data) >= MAX_LINE or b"\n" in data:
            raise ProxyHeaderError("the line does not end where it must")
        return None
    words = data[:end].split(b" ")
    if words[1] == b"UNKNOWN":
        return ProxyHeader(end + 2, None)
    if len(words) != 6 or words[1] not in (b"TCP4", b"TCP6"):
        raise ProxyHeaderError("the line names no TCP connection")
    _family, source, destination, port, other_port = words[1:]
    kind = ipaddress.IPv4Address if words[1] == b"TCP4" else ipaddress.IPv6Address
    _address(kind, destination)
    _port(other_port)
    return ProxyHeader(end + 2, (_address(kind, source), _port(port)))


def _address(kind: type[ipaddress.IPv4Address | ipaddress.IPv6Address], word: bytes) -> str:
    try:
        address = kind(word.decode("ascii"))
    except ValueError as error:
        raise ProxyHeaderError("an address is none") from error
    if isinstance(address, ipaddress.IPv6Address) and address.scope_id is not None:
        raise ProxyHeaderError("an address has a zone")
    return _plain(address)


def _port(word: bytes) -> int:
    port = int(word) if _PORT.fullmatch(word) else -1
    if not 0 <= port <= 65535:
        raise ProxyHeaderError("a port is none")
    return port


def _plain(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> str:
    """One form for each address: IPv4 in IPv6 is IPv4."""
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        return str(address.ipv4_mapped)
    return str(address)


def _binary(data: bytes) -> ProxyHeader | None:
    if len(data) < _FIXED:
        return None
    command, family = data[12], data[13]
    size = _FIXED + int.from_bytes(data[14:16], "big")
    if command not in (0x20, 0x21):
        raise ProxyHeaderError("the version or the command is not known")
    if size > MAX_HEADER:
        raise ProxyHeaderError("the header is too large")
    if family not in _ADDRESSES and command == 0x21:
        raise ProxyHeaderError("the header names no stream")
    needed = _ADDRESSES.get(family, 0)
    if command == 0x21 and size < _FIXED + needed:
        raise ProxyHeaderError("the addresses are cut short")
    if len(data) < size:
        return None
    # LOCAL is the load balancer on its own account; what it says of addresses counts for nothing.
    if command == 0x20 or family not in (0x11, 0x21):
        return ProxyHeader(size, None)
    width = 4 if family == 0x11 else 16
    ports = _FIXED + 2 * width
    client = _plain(ipaddress.ip_address(data[_FIXED : _FIXED + width]))
    return ProxyHeader(size, (client, int.from_bytes(data[ports : ports + 2], "big")))
