"""Whom our own clients believe, by handshakes with servers on loopback."""

from __future__ import annotations

import pytest
import trustme
from pytest_twisted import ensureDeferred

from pomerium_tw.tls import ServerContexts, TLSError, TrustRoots, client_connection

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
@ensureDeferred
async def test_any_other_server_is_refused(name: str, trust: TrustRoots) -> None:
    async with serving(SERVER) as port:
        with pytest.raises(Exception, match=r"certificate verify failed|VerificationError"):
            await fetch(port, client_connection(name, trust))


@pytest.mark.parametrize("name", ["other.example.com", "127.0.0.1", "::1", "my_service"])
@ensureDeferred
async def test_without_verification_any_server_will_do(name: str) -> None:
    async with serving(SERVER) as port:
        assert await fetch(port, client_connection(name, None)) == b"hello"


@pytest.mark.parametrize(
    ("name", "sent"),
    [(NAME, NAME), ("bücher.example", "xn--bcher-kva.example")],
    ids=["plain", "international"],
)
@pytest.mark.parametrize("trust", [TrustRoots(PEM), None])
@ensureDeferred
async def test_the_name_is_sent_so_that_the_server_can_choose(
    name: str, sent: str, trust: TrustRoots | None
) -> None:
    contexts = ServerContexts([issued("first.example.org"), issued(sent)])
    asked: list[str] = []
    find = contexts.find

    def note(name: str) -> object:
        asked.append(name)
        return find(name)

    contexts.find = note  # type: ignore[method-assign,assignment]
    async with serving(contexts) as port:
        assert await fetch(port, client_connection(name, trust)) == b"hello"
    assert asked == [sent]


@pytest.mark.parametrize("trust", [TrustRoots(PEM), None])
@ensureDeferred
async def test_http_1_1_is_offered(trust: TrustRoots | None) -> None:
    async with serving(SERVER) as port:
        assert await fetch(port, client_connection(NAME, trust)) == b"hello"
    assert Greeter.spoken == b"http/1.1"


@pytest.mark.parametrize("name", ["a..b", "x" * 64 + ".example", "my_service"])
def test_a_name_that_no_certificate_can_have_is_refused_with_a_reason(name: str) -> None:
    with pytest.raises(TLSError, match="is not a host name"):
        client_connection(name, TrustRoots())


@pytest.mark.parametrize("pem", [b"x", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
def test_authorities_that_cannot_be_read_are_refused(pem: bytes) -> None:
    with pytest.raises(TLSError, match="not a list of PEM certificates"):
        TrustRoots(pem)


@ensureDeferred
async def test_white_space_is_no_list_and_adds_nobody() -> None:
    async with serving(SERVER) as port:
        with pytest.raises(Exception, match="certificate verify failed"):
            await fetch(port, client_connection(NAME, TrustRoots(b" \n", system=False)))
