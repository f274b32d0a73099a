"""From a case's input to a request."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import load_pem_x509_certificate
from trustme import CA

from pomerium_tw.cli.policy.cases.request import certificates, request_of
from pomerium_tw.model import ClientCertificate, MCPCall, Request, SSHLogin


def asked(**request: Any) -> Request:
    return request_of({"request": request})


def test_an_empty_input_is_an_empty_request() -> None:
    for found in (request_of({}), asked()):
        assert (found.id, found.method, found.host, found.target.path, found.peer.address) == ("",) * 5
        assert (found.head.fields, found.certificate, found.mcp, found.ssh) == ((), None, None, None)


def test_the_path_is_decoded_and_travels_escaped() -> None:
    target = asked(method="POST", path='/a b/ü"%', query="x=1").target
    assert target.path == '/a b/ü"%'
    assert target.raw == b"/a%20b/%C3%BC%22%25?x=1"


@pytest.mark.parametrize(
    ("given", "host", "port"),
    [
        ({"host": "example.com"}, "example.com", None),
        ({"hostname": "Example.com"}, "example.com", None),
        ({"host": "example.com:8443"}, "example.com", 8443),
        ({"host": "[::1]:443"}, "[::1]", 443),
    ],
)
def test_the_host_may_have_a_port(given: dict[str, str], host: str, port: int | None) -> None:
    head = asked(**given).head
    assert (head.host, head.port) == (host, port)


def test_headers_are_found_by_any_case_and_travel_on() -> None:
    head = asked(headers={"Accept": "text/html", "Cookie": "a=1", "Upgrade": "WebSocket", "Origin": ""}).head
    assert (head.get(b"accept"), head.get(b"origin")) == (b"text/html", b"")
    assert (head.cookie, head.upgrade) == (b"a=1", b"websocket")
    assert head.passed.startswith(b"Accept: text/html\r\nCookie: a=1\r\n")


@pytest.mark.parametrize(
    ("given", "address"),
    [("10.0.0.1", "10.0.0.1"), ("::ffff:10.0.0.1", "10.0.0.1"), ("2001:DB8::1", "2001:db8::1"), ("x", "x")],
)
def test_addresses_are_written_as_the_edge_writes_them(given: str, address: str) -> None:
    assert asked(ip=given).peer.address == address


def test_certificates_are_der() -> None:
    authority = CA()
    leaf = authority.issue_cert("a@example.com").cert_chain_pems[0].bytes().decode()
    above = authority.cert_pem.bytes().decode()
    found = asked(client_certificate={"presented": True, "leaf": leaf, "intermediates": above}).certificate
    assert found is not None
    assert found.leaf == load_pem_x509_certificate(leaf.encode()).public_bytes(Encoding.DER)
    assert found.emails == ("a@example.com",)
    assert found.intermediates == certificates(above) != ()


def test_presented_is_enough_for_a_certificate_and_nonsense_stays_one() -> None:
    assert asked(client_certificate={"presented": True}).certificate == ClientCertificate(b"")
    assert asked(client_certificate={"presented": False}).certificate is None
    broken = asked(client_certificate={"presented": True, "leaf": "no certificate"}).certificate
    assert broken is not None
    with pytest.raises(ValueError, match="parsing"):
        _ = broken.parsed


def test_calls_and_log_ins_stand_beside_the_request() -> None:
    found = request_of(
        {
            "request_id": "r1",
            "mcp": {"id": 7, "method": "tools/call", "tool": "drop"},
            "ssh": {"username": "u", "publickey": "AAAA"},
        }
    )
    assert found.id == "r1"
    assert found.mcp == MCPCall(7, "tools/call", "drop")
    assert found.ssh == SSHLogin("u", b"\0\0\0")
    assert request_of({"mcp": {"method": "initialize"}}).mcp == MCPCall(None, "initialize")


def test_a_key_that_is_not_base64_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"base64|padding|Only"):
        request_of({"ssh": {"username": "u", "publickey": "!!"}})
