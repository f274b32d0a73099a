from __future__ import annotations

from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pomerium_tw.model import Peer
from pomerium_tw.proxy import HeadRules
from pomerium_tw.proxy.client_address import MAX_FORWARDED, Client, Trust, client_of
from pomerium_tw.proxy.head import parse_head

PEER = Peer("10.1.2.3", 4711)
PROXIES = Trust(networks=(ip_network("10.0.0.0/8"), ip_network("fd00::/8")))


def client(trust: Trust, *values: str, peer: Peer = PEER, scheme: str = "http", proto: str = "") -> Client:
    lines = [f"X-Forwarded-For: {value}" for value in values] + (
        [f"X-Forwarded-Proto: {proto}"] if proto else []
    )
    head = parse_head("".join(f"{line}\r\n" for line in ["Host: a", *lines]).encode("latin-1"), HeadRules())
    return client_of(head, peer, scheme, trust)


def test_hs_10_nobody_is_believed_unless_the_configuration_says_so() -> None:
    assert client(Trust(), "1.2.3.4", proto="https") == Client(PEER, "http", b"10.1.2.3")
    stranger = Peer("203.0.113.9", 1)
    assert client(PROXIES, "1.2.3.4", peer=stranger, proto="https") == Client(
        stranger, "http", b"203.0.113.9"
    )
    both = Trust(hops=1, networks=PROXIES.networks, append=False)
    assert client(both, "1.2.3.4", peer=stranger, proto="https") == Client(stranger, "http", b"203.0.113.9")


def test_a_hop_before_us_names_the_client() -> None:
    found = client(Trust(hops=1), "192.0.5.1", proto="https")
    assert found == Client(Peer("192.0.5.1", 0), "https", b"192.0.5.1,10.1.2.3")
    assert client(Trust(hops=1, networks=PROXIES.networks), "192.0.5.1").peer.address == "192.0.5.1"


@pytest.mark.parametrize(
    ("hops", "sent", "address"),
    [
        (1, ["spoofed, 192.0.5.1"], "192.0.5.1"),
        (2, ["1.1.1.1, 192.0.5.1, 10.0.0.1"], "192.0.5.1"),
        (2, ["192.0.5.1", "10.0.0.1"], "192.0.5.1"),
        (3, ["192.0.5.1, 10.0.0.1"], PEER.address),
        (1, [], PEER.address),
        (1, [""], PEER.address),
        (1, ["192.0.5.1,"], PEER.address),
        (1, ["192.0.5.1, spoofed"], PEER.address),
    ],
)
def test_the_client_is_so_many_places_from_the_right(hops: int, sent: list[str], address: str) -> None:
    assert client(Trust(hops=hops), *sent).peer.address == address


@pytest.mark.parametrize(
    ("sent", "address"),
    [
        ("192.0.5.1", "192.0.5.1"),
        ("1.1.1.1, 192.0.5.1, 10.0.0.1", "192.0.5.1"),
        ("192.0.5.1, fd00::1, 10.9.9.9", "192.0.5.1"),
        ("10.0.0.2, 10.0.0.1", "10.0.0.2"),
        ("192.0.5.1, broken, 10.0.0.1", PEER.address),
        ("broken, 192.0.5.1, 10.0.0.1", "192.0.5.1"),
        ("", PEER.address),
        ("192.0.5.1" + ", 10.0.0.1" * (MAX_FORWARDED - 1), "192.0.5.1"),
        ("192.0.5.1" + ", 10.0.0.1" * MAX_FORWARDED, PEER.address),
    ],
)
def test_the_client_is_the_first_from_the_right_that_is_no_trusted_proxy(sent: str, address: str) -> None:
    assert client(PROXIES, sent).peer.address == address


@pytest.mark.parametrize(
    ("written", "peer"),
    [
        ("192.0.5.1:80", ("192.0.5.1", 80)),
        ("2001:db8::1", ("2001:db8::1", 0)),
        ("2001:DB8:0::1", ("2001:db8::1", 0)),
        ("[2001:db8::1]", ("2001:db8::1", 0)),
        ("[2001:db8::1]:80", ("2001:db8::1", 80)),
        ("::ffff:192.0.5.1", ("192.0.5.1", 0)),
        ("  192.0.5.1\t", ("192.0.5.1", 0)),
        ("192.0.5.01", PEER),
        ("192.0.5.1:", PEER),
        ("192.0.5.1:x", PEER),
        ("192.0.5.1:123456", PEER),
        ("[2001:db8::1", PEER),
        ("[2001:db8::1]80", PEER),
        ("fe80::1%eth0", PEER),
        ("unknown", PEER),
        ('"192.0.5.1"', PEER),
        ("192.0.5.\xb2", PEER),
        ("192.0.5.1/32", PEER),
    ],
)
def test_addresses_are_read_strictly(written: str, peer: tuple[str, int]) -> None:
    assert client(Trust(hops=1), written).peer == peer


def test_what_goes_upstream() -> None:
    assert client(PROXIES, "spoofed", "192.0.5.1").forwarded_for == b"spoofed, 192.0.5.1,10.1.2.3"
    assert client(PROXIES).forwarded_for == b"10.1.2.3"
    kept = Trust(append=False)
    assert client(kept, "1.2.3.4") == Client(PEER, "http", b"1.2.3.4")
    assert client(kept).forwarded_for == b""
    assert client(Trust(hops=1, append=False), "192.0.5.1").forwarded_for == b"192.0.5.1"


@pytest.mark.parametrize(
    ("proto", "scheme"), [("HTTPS", "https"), ("http", "http"), ("https, http", "http"), ("wss", "http")]
)
def test_a_trusted_hop_says_how_the_client_came(proto: str, scheme: str) -> None:
    assert client(PROXIES, proto=proto).scheme == scheme


@given(
    st.text("0123456789abf.:[], %/\t", max_size=60), st.sampled_from((Trust(hops=1), Trust(hops=2), PROXIES))
)
def test_whatever_is_sent_somebody_with_an_address_asks(sent: str, trust: Trust) -> None:
    found = client(trust, sent).peer
    assert found == PEER or (ip_network(found.address) and 0 <= found.port < 100_000)
