"""Whom our own clients believe, by handshakes with servers on loopback."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from pytest_twisted import ensureDeferred
from service_identity import VerificationError

from pomerium_tw.model import Secret
from pomerium_tw.tls import ServerCertificate, ServerContexts, TLSError, TrustRoots, client_connection

from .values import CA, Greeter, fetch, issued, serving

NAME = "up.example.com"
SERVER = ServerContexts([issued(NAME, "127.0.0.1")])
PEM = CA.cert_pem.bytes()
STRANGER = trustme.CA().cert_pem.bytes()


@pytest.mark.parametrize("name", [NAME, "UP.example.com", "127.0.0.1", "[127.0.0.1]"])
@pytest.mark.parametrize("system", [True, False])
@ensureDeferred
async def test_a_server_of_a_trusted_authority_is_believed(name: str, system: bool) -> None:
    async with serving(SERVER) as port:
        assert await fetch(port, client_connection(name, TrustRoots(PEM, system=system))) == b"hello"


@pytest.mark.parametrize(
    ("name", "trust"),
    [
        pytest.param(NAME, TrustRoots(), id="the system does not know the authority"),
        pytest.param(NAME, TrustRoots(STRANGER), id="another authority"),
        pytest.param(NAME, TrustRoots(STRANGER, system=False), id="another authority alone"),
        pytest.param(NAME, TrustRoots(system=False), id="no authority at all"),
        pytest.param("other.example.com", TrustRoots(PEM), id="wrong name"),
        pytest.param("example.com", TrustRoots(PEM), id="parent name"),
        pytest.param("127.0.0.2", TrustRoots(PEM), id="wrong address"),
    ],
)
@pytest.mark.parametrize("in_memory", [True, False])
@ensureDeferred
async def test_any_other_server_is_refused(name: str, trust: TrustRoots, in_memory: bool) -> None:
    async with serving(SERVER) as port:
        with pytest.raises(Exception, match=r"certificate verify failed|VerificationError"):
            await fetch(port, client_connection(name, trust), in_memory=in_memory)


@ensureDeferred
async def test_a_wrong_name_is_told_from_a_wrong_authority() -> None:
    async with serving(SERVER) as port:
        with pytest.raises(VerificationError):
            await fetch(port, client_connection("other.example.com", TrustRoots(PEM)))


def naming(*names: str) -> tuple[ServerContexts, TrustRoots]:
    """A server whose certificate has these alternative names, and the trust in it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)])
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    )
    if names:
        alternative = x509.SubjectAlternativeName([x509.DNSName(each) for each in names])
        builder = builder.add_extension(alternative, critical=False)
    certificate = builder.sign(key, SHA256())
    chain = certificate.public_bytes(Encoding.PEM)
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return ServerContexts([ServerCertificate.load(chain, Secret(private))]), TrustRoots(chain)


@pytest.mark.parametrize("in_memory", [True, False])
@ensureDeferred
async def test_a_certificate_without_alternative_names_is_nobodys(in_memory: bool) -> None:
    """Its common name counts for nothing (spec/proxy §4.3), and that it cannot be checked for less."""
    contexts, trust = naming()
    async with serving(contexts) as port:
        with pytest.raises(VerificationError):
            await fetch(port, client_connection(NAME, trust), in_memory=in_memory)


ODD = ["*", "*.", "*..lan", "a.*.lan", "*.*.lan", "a*.lan", "a*.x.lan", "10.0.0.1", "\x00", ""]
"""Names of certificates that stand for no host."""


@pytest.mark.parametrize("odd", ODD)
@ensureDeferred
async def test_a_name_that_stands_for_no_host_neither_helps_nor_harms(odd: str) -> None:
    contexts, trust = naming(odd, "nas.lan")
    async with serving(contexts) as port:
        assert await fetch(port, client_connection("nas.lan", trust)) == b"hello"
        for other in ("other.lan", "a.b.lan", "ab.lan", "ab.x.lan", "10.0.0.1"):
            with pytest.raises(VerificationError):
                await fetch(port, client_connection(other, trust))


@pytest.mark.parametrize("wildcard", ["*.internal", "*.INTERNAL"])
@ensureDeferred
async def test_a_wildcard_before_a_single_label_stands_for_one_label(wildcard: str) -> None:
    """As Go and Envoy have it: networks of companies end in ``internal``, ``lan`` or ``localhost``."""
    contexts, trust = naming(wildcard)
    async with serving(contexts) as port:
        assert await fetch(port, client_connection("app.internal", trust)) == b"hello"
        for other in ("internal", "a.app.internal", "app.lan", "app.internal.lan", "xn--bcher-kva.internal"):
            with pytest.raises(VerificationError):
                await fetch(port, client_connection(other, trust))


@ensureDeferred
async def test_an_error_in_checking_aborts_the_handshake(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_arguments: Any) -> None:
        raise RuntimeError

    monkeypatch.setattr("pomerium_tw.tls.client.verify_service_identity", fail)
    async with serving(SERVER) as port:
        with pytest.raises(Exception, match="certificate verify failed"):
            await fetch(port, client_connection(NAME, TrustRoots(PEM)))


def test_routes_with_the_same_authorities_share_one_context() -> None:
    trust = TrustRoots(PEM)
    first, second = (client_connection(name, trust).connection(None, None) for name in ("a.test", "b.test"))
    assert first.get_context() is second.get_context()


@pytest.mark.parametrize("name", ["other.example.com", "127.0.0.1", "::1", "my_service"])
@ensureDeferred
async def test_without_verification_any_server_will_do(name: str) -> None:
    async with serving(SERVER) as port:
        assert await fetch(port, client_connection(name, None)) == b"hello"


def names_asked_of(contexts: ServerContexts) -> list[str]:
    asked: list[str] = []
    find = contexts.find

    def note(name: str) -> object:
        asked.append(name)
        return find(name)

    contexts.find = note  # type: ignore[method-assign,assignment]
    return asked


@pytest.mark.parametrize(
    ("name", "sent"),
    [
        (NAME, NAME),
        ("bücher.example", "xn--bcher-kva.example"),
        ("faß.example", "xn--fa-hia.example"),
    ],
    ids=["plain", "international", "of IDNA 2008"],
)
@pytest.mark.parametrize("trust", [TrustRoots(PEM), None])
@ensureDeferred
async def test_the_name_is_sent_so_that_the_server_can_choose(
    name: str, sent: str, trust: TrustRoots | None
) -> None:
    contexts = ServerContexts([issued("first.example.org"), issued(sent)])
    asked = names_asked_of(contexts)
    async with serving(contexts) as port:
        assert await fetch(port, client_connection(name, trust)) == b"hello"
    assert asked == [sent]


@pytest.mark.parametrize("trust", [TrustRoots(PEM), None])
@ensureDeferred
async def test_http_1_1_is_offered(trust: TrustRoots | None) -> None:
    async with serving(SERVER) as port:
        assert await fetch(port, client_connection(NAME, trust)) == b"hello"
    assert Greeter.spoken == b"http/1.1"


@pytest.mark.parametrize(
    "name", ["", ".", "a..b", "x" * 64 + ".example", "x." * 126 + "xx", "a b", "*.lan", "1_2"]
)
def test_a_name_that_no_certificate_can_have_is_refused_with_a_reason(name: str) -> None:
    with pytest.raises(TLSError, match="is not a host name"):
        client_connection(name, TrustRoots())


@pytest.mark.parametrize("name", ["", "a..b", "x" * 64 + ".example", "a b"])
def test_a_name_that_no_server_can_have_is_refused_without_verification_too(name: str) -> None:
    with pytest.raises(TLSError, match="is not a host name"):
        client_connection(name, None)


@pytest.mark.parametrize(
    ("name", "named", "others"),
    [
        ("my_app", "my_app", ("my-app", "my_apps", "my.app")),
        ("MY_APP.lan", "my_app.lan", ("my_app", "x.my_app.lan")),
        ("r3---sn.example.com", "r3---sn.example.com", ("r3--sn.example.com",)),
        ("pr--12.lan", "*.lan", ("pr--12.wan", "a.pr--12.lan")),
        ("_a.example.com.", "_a.example.com", ("a.example.com",)),
        ("faß.example", "xn--fa-hia.example", ("fass.example",)),
    ],
)
@ensureDeferred
async def test_names_that_idna_does_not_know_are_verified_as_they_stand(
    name: str, named: str, others: tuple[str, ...]
) -> None:
    """Containers are called ``my_app``, and clouds name hosts with two hyphens in the third place."""
    contexts, trust = naming(named)
    asked = names_asked_of(contexts)
    async with serving(contexts) as port:
        assert await fetch(port, client_connection(name, trust)) == b"hello"
        assert await fetch(port, client_connection(name, None)) == b"hello"
        assert asked == 2 * [named.replace("*", "pr--12")]
        for other in others:
            with pytest.raises(VerificationError):
                await fetch(port, client_connection(other, trust))


@pytest.mark.parametrize("pem", [b"x", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
def test_authorities_that_cannot_be_read_are_refused(pem: bytes) -> None:
    with pytest.raises(TLSError, match="not a list of PEM certificates"):
        TrustRoots(pem)


@ensureDeferred
async def test_white_space_is_no_list_and_adds_nobody() -> None:
    async with serving(SERVER) as port:
        with pytest.raises(Exception, match="certificate verify failed"):
            await fetch(port, client_connection(NAME, TrustRoots(b" \n", system=False)))
