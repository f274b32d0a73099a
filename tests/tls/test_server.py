"""TLS towards clients, by handshakes with the standard library's client."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from OpenSSL import SSL
from pytest_twisted import ensureDeferred
from twisted.internet.threads import deferToThread
from twisted.logger import globalLogPublisher

from pomerium_tw.model import Secret
from pomerium_tw.tls import ServerCertificate, ServerContexts, TLSError, fallback_certificate

from .values import CA, client_context, issued, serving, shake

EXACT = issued("a.example.com")
WILDCARD = issued("*.example.com", "example.com")
COMMON = issued("192.0.2.1", common_name="old.example.net")
FIRST = issued("first.example.org")
CONTEXTS = ServerContexts([FIRST, WILDCARD, EXACT, COMMON])


@pytest.mark.parametrize(
    ("name", "certificate"),
    [
        pytest.param("a.example.com", EXACT, id="exact before wildcard"),
        pytest.param("A.Example.COM", EXACT, id="mixed case"),
        pytest.param("a.example.com.", EXACT, id="trailing dot"),
        pytest.param("b.example.com", WILDCARD, id="wildcard"),
        pytest.param("B.EXAMPLE.com.", WILDCARD, id="wildcard, mixed case, trailing dot"),
        pytest.param("example.com", WILDCARD, id="the bare name is a name of its own"),
        pytest.param("x.a.example.com", FIRST, id="a wildcard stands for one label"),
        pytest.param("old.example.net", COMMON, id="common name"),
        pytest.param("unknown.example", FIRST, id="unknown name"),
        pytest.param("localhost", FIRST, id="one label"),
        pytest.param(None, FIRST, id="no name"),
        pytest.param("192.0.2.1", FIRST, id="an address is no name"),
    ],
)
@ensureDeferred
async def test_the_certificate_is_chosen_by_name(name: str | None, certificate: ServerCertificate) -> None:
    async with serving(CONTEXTS) as port:
        seen = await shake(port, name)
    assert seen.certificate == certificate.chain[0]
    assert seen.greeting == b"hello"


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [(None, None), (["http/1.1"], "http/1.1"), (["h2", "http/1.1"], "http/1.1")],
)
@pytest.mark.parametrize("name", ["a.example.com", None])
@ensureDeferred
async def test_a_client_may_offer_protocols_or_none(
    offered: list[str] | None, chosen: str | None, name: str | None
) -> None:
    context = client_context()
    if offered is not None:
        context.set_alpn_protocols(offered)
    async with serving(CONTEXTS) as port:
        seen = await shake(port, name, context)
    assert seen.protocol == chosen


@ensureDeferred
async def test_a_client_that_speaks_nothing_of_ours_is_refused() -> None:
    """RFC 7301 §3.2."""
    context = client_context()
    context.set_alpn_protocols(["h2"])
    async with serving(CONTEXTS) as port:
        with pytest.raises(ssl.SSLError, match="no application protocol"):
            await shake(port, "a.example.com", context)


@pytest.mark.parametrize(
    ("version", "ciphers"),
    [
        (ssl.TLSVersion.TLSv1_3, {"TLS_AES_256_GCM_SHA384"}),
        (ssl.TLSVersion.TLSv1_2, {"ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-RSA-AES256-GCM-SHA384"}),
    ],
)
@ensureDeferred
async def test_tls_1_2_and_1_3_are_spoken(version: ssl.TLSVersion, ciphers: set[str]) -> None:
    async with serving(CONTEXTS) as port:
        seen = await shake(port, None, client_context(minimum_version=version, maximum_version=version))
    assert seen.version == version.name.replace("_", ".")
    assert seen.cipher in ciphers


def old_client() -> ssl.SSLContext:
    context = client_context()
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    return context


def weak_client(ciphers: str) -> ssl.SSLContext:
    context = client_context(maximum_version=ssl.TLSVersion.TLSv1_2)
    context.set_ciphers(ciphers)
    return context


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated:DeprecationWarning")
@ensureDeferred
async def test_tls_1_1_is_refused() -> None:
    async with serving(CONTEXTS) as port:
        with pytest.raises(ssl.SSLError, match=r"PROTOCOL_VERSION|UNSUPPORTED_PROTOCOL|NO_PROTOCOLS"):
            await shake(port, None, old_client())


@pytest.mark.parametrize("ciphers", ["AES128-SHA:@SECLEVEL=0", "ECDHE+AES+SHA1:@SECLEVEL=0", "DHE+AESGCM"])
@ensureDeferred
async def test_suites_without_forward_secrecy_and_aead_are_refused(ciphers: str) -> None:
    async with serving(CONTEXTS) as port:
        with pytest.raises(ssl.SSLError, match="HANDSHAKE_FAILURE"):
            await shake(port, None, weak_client(ciphers))


def test_a_client_cannot_renegotiate() -> None:
    server = CONTEXTS.connection(None)
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.set_max_proto_version(SSL.TLS1_2_VERSION)
    client = SSL.Connection(context, None)
    client.set_connect_state()
    server.set_accept_state()

    def step(end: SSL.Connection, other: SSL.Connection, act: Callable[[], object]) -> None:
        for do in (act, lambda: other.bio_write(end.bio_read(65536))):
            try:
                do()
            except SSL.WantReadError:
                pass

    for _ in range(4):
        step(client, server, client.do_handshake)
        step(server, client, server.do_handshake)
    assert client.get_protocol_version_name() == "TLSv1.2"
    step(client, server, lambda: client.send(b"a"))
    assert server.recv(1) == b"a"
    client.renegotiate()
    step(client, server, client.do_handshake)
    step(server, client, lambda: server.recv(1))
    with pytest.raises(SSL.Error, match="no renegotiation"):
        client.do_handshake()


@pytest.mark.parametrize("name", [b"\xff\xfe", "bücher.example".encode(), b"a\x7f\x1b[31m", b"." * 200])
def test_a_name_of_any_bytes_gets_the_first_certificate_and_is_not_logged(name: bytes) -> None:
    """A line for each handshake would be a disk to fill."""
    server = CONTEXTS.connection(None)
    server.set_accept_state()
    client = SSL.Connection(SSL.Context(SSL.TLS_CLIENT_METHOD), None)
    client.set_tlsext_host_name(name)
    client.set_connect_state()
    events: list[Any] = []
    globalLogPublisher.addObserver(events.append)
    try:
        for end, other in ((client, server), (server, client), (client, server)):
            with suppress(SSL.WantReadError):
                end.do_handshake()
            other.bio_write(end.bio_read(65536))
    finally:
        globalLogPublisher.removeObserver(events.append)
    assert events == []
    shown = client.get_peer_certificate(as_cryptography=True)
    assert shown == FIRST.chain[0]


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@ensureDeferred
async def test_an_error_in_choosing_aborts_the_handshake(
    version: ssl.TLSVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    contexts = ServerContexts([FIRST])

    def fail(name: str) -> SSL.Context:
        raise RuntimeError(name)

    monkeypatch.setattr(contexts, "find", fail)
    events: list[Any] = []
    globalLogPublisher.addObserver(events.append)
    try:
        async with serving(contexts) as port:
            with pytest.raises((ssl.SSLError, ConnectionError)):
                await shake(
                    port, "a.example.com", client_context(minimum_version=version, maximum_version=version)
                )
    finally:
        globalLogPublisher.removeObserver(events.append)
    assert "choosing a certificate failed" in str([event.get("log_format") for event in events])


@ensureDeferred
async def test_the_fallback_is_a_certificate_for_everything_that_nobody_trusts() -> None:
    now = 1_800_000_000.0
    certificate = fallback_certificate(now)
    async with serving(ServerContexts([certificate])) as port:
        seen = await shake(port, "anything.example")
        with pytest.raises(ssl.SSLCertVerificationError):
            await shake(port, "anything.example", ssl.create_default_context())
    assert certificate.names == ("*",)
    assert seen.certificate.subject.rfc4514_string() == "O=Pomerium"
    assert seen.certificate.not_valid_before_utc.timestamp() < now
    assert seen.certificate.not_valid_after_utc.timestamp() == now + 365 * 86400


def pem(key: Any) -> bytes:
    written: bytes = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return written


def self_signed(key: Any) -> bytes:
    leaf = CA.issue_cert("x.example").cert_chain_pems[0].bytes()
    model = x509.load_pem_x509_certificate(leaf)
    builder = x509.CertificateBuilder(
        model.subject,
        model.subject,
        key.public_key(),
        1,
        model.not_valid_before_utc,
        model.not_valid_after_utc,
    )
    return builder.sign(key, SHA256()).public_bytes(Encoding.PEM)


EC = ec.generate_private_key(ec.SECP256R1())
WEAK = rsa.generate_private_key(65537, 1024)
LOCKED = EC.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x"))


@pytest.mark.parametrize(
    ("chain", "key", "message"),
    [
        (b"", pem(EC), "the certificate cannot be read as PEM"),
        (b"x", pem(EC), "the certificate cannot be read as PEM"),
        (self_signed(EC), b"x", "the private key cannot be read as PEM"),
        (self_signed(EC), LOCKED, "the private key cannot be read as PEM: is it encrypted"),
        (self_signed(EC), pem(ec.generate_private_key(ec.SECP256R1())), "the private key does not belong"),
        (self_signed(EC), pem(WEAK), "the private key does not belong"),
        (self_signed(WEAK), pem(WEAK), "OpenSSL refuses the certificate or its key: .*too small"),
    ],
)
def test_a_pair_that_cannot_serve_is_refused_with_a_reason(chain: bytes, key: bytes, message: str) -> None:
    with pytest.raises(TLSError, match=message):
        ServerCertificate.load(chain, Secret(key))


def test_a_listener_needs_a_certificate() -> None:
    with pytest.raises(TLSError, match="needs a certificate"):
        ServerContexts([])


def test_the_key_is_not_shown() -> None:
    assert "key" not in repr(EXACT).replace("public_key", "")


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@ensureDeferred
async def test_a_returning_client_need_not_shake_hands_in_full(version: ssl.TLSVersion) -> None:
    context = client_context(minimum_version=version, maximum_version=version)

    def connect(port: int, session: ssl.SSLSession | None) -> tuple[bool, ssl.SSLSession | None]:
        plain = socket.create_connection(("127.0.0.1", port), timeout=10)
        with context.wrap_socket(plain, server_hostname="b.example.com", session=session) as connection:
            assert connection.recv(5) == b"hello"
            return bool(connection.session_reused), connection.session

    async with serving(CONTEXTS) as port:
        reused, session = await deferToThread(connect, port, None)
        assert not reused
        reused, _session = await deferToThread(connect, port, session)
        assert reused
