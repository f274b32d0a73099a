from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network, ip_network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pomerium_tw.model import ANONYMOUS, ClientCertificate, Identity, Peer, Request, Session, User
from pomerium_tw.policy import NO_RECORDS, ExternalData, Records

from .situations import identity, request


@dataclass
class Source:
    foreign_key: str
    records: Mapping[Any, Mapping[str, Any]] = field(default_factory=dict)
    record_type: str = "example.com/t"


def found(source: Source, caller: Identity = ANONYMOUS, asked: Request | None = None) -> Any:
    record = ExternalData([source]).find("example.com/t", asked or request(), caller)
    return None if record is None else record["id"]


def source_of(foreign_key: str, *keys: str) -> Source:
    return Source(foreign_key, {key: {"id": key} for key in keys})


def from_address(address: str) -> Request:
    return request()._replace(peer=Peer(address, 1))


def networks(*texts: str) -> Source:
    return Source("request.ip", {ip_network(text): {"id": text} for text in texts})


def test_both_kinds_of_records_are_what_policies_ask_for() -> None:
    kinds: list[Records] = [ExternalData(), NO_RECORDS]
    assert [kind.find("t", request(), ANONYMOUS) for kind in kinds] == [None, None]
    assert [kind.needs_session("t") for kind in kinds] == [False, False]
    assert NO_RECORDS.types is None


def test_types_are_those_of_the_sources() -> None:
    data = ExternalData([Source("user.id", record_type="a"), Source("request.ip", record_type="b")])
    assert set(data.types) == {"a", "b"}
    with pytest.raises(ValueError, match="two sources give a"):
        ExternalData([Source("user.id", record_type="a"), Source("user.id", record_type="a")])
    with pytest.raises(ValueError, match=r"no foreign key user\.name"):
        ExternalData([Source("user.name")])


@pytest.mark.parametrize(
    ("foreign_key", "needed"),
    [
        ("user.id", True),
        ("user.email", True),
        ("session.id", True),
        ("claim.team", True),
        ("request.ip", False),
        ("request.client_certificate.fingerprint", False),
    ],
)
def test_a_session_is_needed_where_it_has_the_key(foreign_key: str, needed: bool) -> None:
    data = ExternalData([Source(foreign_key)])
    assert data.needs_session("example.com/t") is needed
    assert not data.needs_session("example.com/unknown")


def test_records_are_found_by_user_email_and_session() -> None:
    caller = identity("u1", "a@b.com")
    assert found(source_of("user.id", "u1", "u2"), caller) == "u1"
    assert found(source_of("user.id", "u2"), caller) is None
    assert found(source_of("user.email", "a@b.com"), caller) == "a@b.com"
    assert found(source_of("user.email", "A@b.com"), caller) is None
    assert found(source_of("session.id", "s1"), caller) == "s1"


@pytest.mark.parametrize("foreign_key", ["user.id", "user.email", "session.id", "claim.x"])
def test_the_empty_text_finds_nothing(foreign_key: str) -> None:
    nobody = Identity(Session("", "", "idp", 0.0, 9.0), User("", claims={"x": ("",)}))
    assert found(source_of(foreign_key, ""), nobody) is None
    assert found(source_of(foreign_key, ""), ANONYMOUS) is None


def test_records_are_found_by_the_first_value_of_a_claim_that_has_one() -> None:
    source = source_of("claim.staff.number", "7", "8", "True")
    for values, wanted in {
        ("7",): "7",
        (8,): "8",
        ("9", "8", "7"): "8",
        (True,): None,
        (7.0,): None,
        (): None,
    }.items():
        assert found(source, identity(**{"staff.number": values})) == wanted  # type: ignore[arg-type]
    assert found(source, identity(staff=("7",))) is None


def test_records_are_found_by_fingerprint() -> None:
    certificate = ClientCertificate(b"leaf")
    source = source_of("request.client_certificate.fingerprint", certificate.fingerprint)
    assert found(source, asked=request()._replace(certificate=certificate)) == certificate.fingerprint
    assert found(source, asked=request()._replace(certificate=ClientCertificate(b"other"))) is None
    assert found(source) is None
    absent = ClientCertificate(b"")
    unknown = source_of("request.client_certificate.fingerprint", absent.fingerprint)
    assert found(unknown, asked=request()._replace(certificate=absent)) is None


def test_the_most_specific_network_counts() -> None:
    source = networks("0.0.0.0/0", "10.0.0.0/8", "10.1.0.0/16", "10.1.2.3", "2001:db8::/32", "2001:db8::1")
    for address, wanted in {
        "10.1.2.3": "10.1.2.3",
        "10.1.2.4": "10.1.0.0/16",
        "10.2.0.1": "10.0.0.0/8",
        "192.0.2.1": "0.0.0.0/0",
        "2001:db8::1": "2001:db8::1",
        "2001:db8::2": "2001:db8::/32",
        "2001:db9::2": None,
        "::ffff:10.1.2.3": "10.1.2.3",
        "::10.1.2.3": None,
        "": None,
        "unix": None,
    }.items():
        assert found(source, asked=from_address(address)) == wanted, address


@given(
    st.lists(
        st.builds(lambda n, p: IPv4Network((n, p), strict=False), st.integers(0, 63), st.integers(26, 32)),
        unique=True,
    ),
    st.integers(0, 63),
)
def test_the_index_equals_a_search_through_all_networks(known: list[IPv4Network], host: int) -> None:
    address = IPv4Network((host, 32))
    wanted = max(
        (each for each in known if address.subnet_of(each)), key=lambda each: each.prefixlen, default=None
    )
    source = Source("request.ip", {each: {"id": each} for each in known})
    assert found(source, asked=from_address(str(address.network_address))) == wanted


def test_a_look_up_among_100_000_networks_takes_microseconds() -> None:
    known: dict[Any, Mapping[str, Any]] = {
        IPv4Network((0x0A000000 + (number << 6), 18 + number % 15), strict=False): {"id": number}
        for number in range(100_000)
    }
    data = ExternalData([Source("request.ip", known)])
    asked = [from_address(f"10.{n % 256}.{n % 251}.{n % 241}") for n in range(1_000)]
    best = min(_seconds(data, asked) for _ in range(5))
    assert best / len(asked) < 100e-6  # some 5 of them on a quiet machine


def _seconds(data: ExternalData, asked: list[Request]) -> float:
    start = time.perf_counter()
    for each in asked:
        data.find("example.com/t", each, ANONYMOUS)
    return time.perf_counter() - start
