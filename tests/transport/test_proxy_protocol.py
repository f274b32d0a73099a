"""The PROXY header: what it may look like, byte by byte."""

from __future__ import annotations

import ipaddress
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pomerium_tw.transport.proxy_protocol import (
    MAX_HEADER,
    MAX_LINE,
    ProxyHeader,
    ProxyHeaderError,
    read_header,
)

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
FOUR = bytes([192, 0, 2, 7, 198, 51, 100, 1]) + struct.pack("!HH", 4711, 443)
SIX = ipaddress.ip_address("2001:db8::7").packed * 2 + struct.pack("!HH", 4711, 443)


def binary(command: int, family: int, rest: bytes) -> bytes:
    return SIGNATURE + bytes([command, family]) + struct.pack("!H", len(rest)) + rest


@pytest.mark.parametrize(
    ("header", "client"),
    [
        (b"PROXY TCP4 192.0.2.7 198.51.100.1 4711 443\r\n", ("192.0.2.7", 4711)),
        (b"PROXY TCP6 2001:DB8:0::7 2001:db8::1 4711 443\r\n", ("2001:db8::7", 4711)),
        (b"PROXY TCP6 ::ffff:192.0.2.7 ::1 0 65535\r\n", ("192.0.2.7", 0)),
        (b"PROXY UNKNOWN\r\n", None),
        (b"PROXY UNKNOWN ffff::1 whatever 65535\r\n", None),
        (binary(0x21, 0x11, FOUR), ("192.0.2.7", 4711)),
        (binary(0x21, 0x21, SIX), ("2001:db8::7", 4711)),
        (
            binary(0x21, 0x21, ipaddress.ip_address("::ffff:192.0.2.7").packed * 2 + b"\0\1\0\2"),
            ("192.0.2.7", 1),
        ),
        (binary(0x21, 0x11, FOUR + b"\x04\x00\x03abc"), ("192.0.2.7", 4711)),
        (binary(0x21, 0x31, bytes(216)), None),
        (binary(0x21, 0x00, b""), None),
        (binary(0x21, 0x00, b"\x04\x00\x03abc"), None),
        (binary(0x20, 0x00, b""), None),
        (binary(0x20, 0x11, FOUR), None),
        (binary(0x20, 0x77, b"anything"), None),
        (binary(0x21, 0x11, FOUR.ljust(MAX_HEADER - 16, b"\0")), ("192.0.2.7", 4711)),
    ],
)
@pytest.mark.parametrize("behind", [b"", b"\x16\x03\x01", b"GET / HTTP/1.1\r\n"])
def test_a_header_is_read_to_its_end_and_no_further(
    header: bytes, client: tuple[str, int] | None, behind: bytes
) -> None:
    assert read_header(header + behind) == ProxyHeader(len(header), client)
    for end in range(1, len(header)):
        assert read_header(header[:end]) is None


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n",
        b"\x16\x03\x01\x02\x00\x01",
        b"proxy TCP4 192.0.2.7 198.51.100.1 1 2\r\n",
        b"\r\n\r\nPROXY TCP4 192.0.2.7 198.51.100.1 1 2\r\n",
        b"PROXY  TCP4 192.0.2.7 198.51.100.1 1 2\r\n",
        b"PROXY TCP4  192.0.2.7 198.51.100.1 1 2\r\n",
        b"PROXY TCP4\t192.0.2.7 198.51.100.1 1 2\r\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.1 1 2\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.1 1 2 \r\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.1 1 2 3\r\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.1 1\r\n",
        b"PROXY TCP4 192.0.2.07 198.51.100.1 1 2\r\n",
        b"PROXY TCP4 192.0.2.256 198.51.100.1 1 2\r\n",
        b"PROXY TCP4 192.0.2 198.51.100.1 1 2\r\n",
        b"PROXY TCP4 192.0.2.7 nowhere 1 2\r\n",
        b"PROXY TCP4 \xd9\xa1.0.2.7 198.51.100.1 1 2\r\n",
        b"PROXY TCP4 ::1 ::1 1 2\r\n",
        b"PROXY TCP6 192.0.2.7 198.51.100.1 1 2\r\n",
        b"PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n",
        b"PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.1 01 2\r\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.1 +1 2\r\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.1 -1 2\r\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.1 1 65536\r\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.1 1_0 2\r\n",
        b"PROXY UDP4 192.0.2.7 198.51.100.1 1 2\r\n",
        b"PROXY\r\n\r\n",
        b"PROXY \r\n",
        b"PROXY UNKNOWNX\r\n",
        b"PROXY UNKNOWN " + b"x" * MAX_LINE,
        SIGNATURE[:-1] + b"X",
        binary(0x11, 0x11, FOUR),
        binary(0x22, 0x11, FOUR),
        binary(0x31, 0x11, FOUR),
        binary(0x21, 0x11, FOUR[:-1]),
        binary(0x21, 0x21, SIX[:-1]),
        binary(0x21, 0x21, FOUR),
        binary(0x21, 0x31, bytes(215)),
        binary(0x21, 0x12, FOUR),
        binary(0x21, 0x01, FOUR),
        binary(0x21, 0x41, SIX),
        binary(0x21, 0x11, FOUR.ljust(MAX_HEADER - 15, b"\0")),
        binary(0x20, 0x00, bytes(65535)),
    ],
)
def test_anything_else_is_refused(data: bytes) -> None:
    with pytest.raises(ProxyHeaderError):
        read_header(data)


@given(
    st.ip_addresses(),
    st.integers(0, 65535),
    st.integers(0, 65535),
    st.binary(max_size=60),
    st.binary(max_size=20),
)
def test_both_versions_name_the_same_client(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address, port: int, other: int, more: bytes, behind: bytes
) -> None:
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    client = (str(mapped or address), port)
    line = f"PROXY TCP{address.version} {address} {address} {port} {other}\r\n".encode()
    assert read_header(line + behind) == ProxyHeader(len(line), client)
    addresses = address.packed * 2 + struct.pack("!HH", port, other)
    header = binary(0x21, 0x11 if address.version == 4 else 0x21, addresses + more)
    assert read_header(header + behind) == ProxyHeader(len(header), client)


BEGINNINGS = st.sampled_from(
    [b"", b"PROXY ", b"PROXY TCP4 ", b"PROXY UNKNOWN", SIGNATURE, SIGNATURE + b"\x21\x11\0\x0c"]
)


@given(BEGINNINGS, st.binary(min_size=1, max_size=300))
def test_more_bytes_never_change_an_answer(beginning: bytes, rest: bytes) -> None:
    """What was read as a header, or refused, stays that; there is no other error."""

    def answer(data: bytes) -> ProxyHeader | str | None:
        try:
            return read_header(data)
        except ProxyHeaderError:
            return "refused"

    data = beginning + rest
    given_before: ProxyHeader | str | None = None
    for end in range(1, len(data) + 1):
        given_now = answer(data[:end])
        if given_before is not None:
            assert given_now == given_before
        if isinstance(given_now, ProxyHeader):
            assert given_now.size <= end
        given_before = given_now
