"""The bounded client against servers that send too much, too late, or from elsewhere."""

from __future__ import annotations

import gzip
from collections.abc import AsyncIterator, Callable

import pytest
import pytest_twisted
import trustme
from pytest_twisted import ensureDeferred
from twisted.internet import reactor, ssl
from twisted.internet.interfaces import IListeningPort
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.testing import MemoryReactorClock, StringTransport

from pomerium_tw.identity import ANSWER_SECONDS, MAX_ANSWER_BYTES, BoundedClient, ProviderUnavailableError


class Raw(Protocol):
    """Answers the first bytes with what it is told, then holds the line."""

    answer: bytes = b""
    closes = False

    def dataReceived(self, data: bytes) -> None:
        self.factory.received.append(data)
        self.transport.write(self.answer)
        if self.closes:
            self.transport.loseConnection()

    def connectionLost(self, reason: object) -> None:
        self.factory.lost += 1


class RawFactory(Factory):
    noisy = False

    def __init__(self, answer: bytes, closes: bool) -> None:
        self.received: list[bytes] = []
        self.lost = 0
        self._answer, self._closes = answer, closes

    def buildProtocol(self, addr: object) -> Raw:
        protocol = Raw()
        protocol.factory, protocol.answer, protocol.closes = self, self._answer, self._closes
        return protocol


@pytest_twisted.async_yield_fixture
async def serve() -> AsyncIterator[Callable[..., RawFactory]]:
    ports: list[IListeningPort] = []

    def listen(answer: bytes, *, closes: bool = False, tls: object = None) -> RawFactory:
        factory = RawFactory(answer, closes)
        if tls is None:
            port = reactor.listenTCP(0, factory, interface="127.0.0.1")
        else:
            port = reactor.listenSSL(0, factory, tls, interface="127.0.0.1")
        ports.append(port)
        factory.port = port.getHost().port
        return factory

    yield listen
    for port in ports:
        await port.stopListening()


def answer(body: bytes, *lines: str, status: str = "200 OK") -> bytes:
    head = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *lines]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


@ensureDeferred
async def test_an_answer_comes_with_status_media_type_and_body(serve: Callable[..., RawFactory]) -> None:
    server = serve(answer(b'{"a": 1}', "Content-Type: Application/JSON; charset=utf-8", status="201 Created"))
    reply = await BoundedClient(reactor).get(f"http://x.localhost:{server.port}/path?q=1", {"X-Test": "yes"})
    assert (reply.status, reply.content_type, reply.json()) == (201, "application/json", {"a": 1})
    sent = server.received[0].lower()
    assert sent.startswith(b"get /path?q=1 http/1.1") and b"x-test: yes" in sent
    assert b"accept-encoding: identity" in sent


@ensureDeferred
async def test_forms_and_json_are_posted(serve: Callable[..., RawFactory]) -> None:
    server = serve(answer(b"{}"))
    client = BoundedClient(reactor)
    await client.post_form(f"http://localhost:{server.port}/", {"a b": "c&d"})
    await client.post_json(f"http://localhost:{server.port}/", {"é": 1})
    assert server.received[0].endswith(b"a+b=c%26d")
    assert b"application/x-www-form-urlencoded" in server.received[0]
    assert server.received[1].endswith(b'{"\\u00e9": 1}')


@ensureDeferred
async def test_redirects_are_not_followed(serve: Callable[..., RawFactory]) -> None:
    elsewhere = serve(answer(b"secret"))
    location = f"Location: http://localhost:{elsewhere.port}/"
    server = serve(answer(b"", location, status="302 Found"))
    reply = await BoundedClient(reactor).get(f"http://localhost:{server.port}/")
    assert reply.status == 302 and not elsewhere.received


TOO_MUCH = {
    "body with length": answer(b"x" * (MAX_ANSWER_BYTES + 1)),
    "body without end": b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * (MAX_ANSWER_BYTES + 1),
    "head without end": b"HTTP/1.1 200 OK\r\n" + b"X-Filler: y\r\n" * 90_000,
    "chunks without end": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * 200_000,
}


@pytest.mark.parametrize("sent", TOO_MUCH.values(), ids=TOO_MUCH.keys())
@ensureDeferred
async def test_more_than_the_limit_is_cut_off(serve: Callable[..., RawFactory], sent: bytes) -> None:
    server = serve(sent)
    with pytest.raises(ProviderUnavailableError, match="larger"):
        await BoundedClient(reactor).get(f"http://localhost:{server.port}/")


@ensureDeferred
async def test_the_end_of_the_connection_may_end_the_answer(serve: Callable[..., RawFactory]) -> None:
    server = serve(b'HTTP/1.0 200 OK\r\n\r\n{"a": 1}', closes=True)
    assert (await BoundedClient(reactor).get(f"http://localhost:{server.port}/")).json() == {"a": 1}


@ensureDeferred
async def test_compressed_answers_are_refused_unread(serve: Callable[..., RawFactory]) -> None:
    server = serve(answer(gzip.compress(b" " * 100_000_000), "Content-Encoding: gzip"))
    with pytest.raises(ProviderUnavailableError, match="compressed"):
        await BoundedClient(reactor).get(f"http://localhost:{server.port}/")


@pytest.mark.parametrize(
    "body", [b"<html>", b"[1]", b"", b"NaN", b'{"a": NaN}', b'{"a": 1e999}', b"[" * 100_000]
)
@ensureDeferred
async def test_what_is_not_a_json_object_is_a_temporary_fault(
    serve: Callable[..., RawFactory], body: bytes
) -> None:
    server = serve(answer(body))
    reply = await BoundedClient(reactor).get(f"http://localhost:{server.port}/")
    with pytest.raises(ProviderUnavailableError):
        reply.json()


@ensureDeferred
async def test_nobody_listening_is_a_temporary_error_that_names_the_host(
    serve: Callable[..., RawFactory],
) -> None:
    port = reactor.listenTCP(0, Factory(), interface="127.0.0.1")
    number = port.getHost().port
    await port.stopListening()
    with pytest.raises(ProviderUnavailableError, match=f"localhost:{number}"):
        await BoundedClient(reactor).get(f"http://localhost:{number}/token?code=hush")


def test_a_silent_server_is_given_up_after_ten_seconds_and_the_connection_with_it() -> None:
    clock = MemoryReactorClock()
    outcome: list[object] = []
    BoundedClient(clock).get("http://127.0.0.1:8080/").addBoth(outcome.append)
    _host, _port, factory, _timeout, _bind = clock.tcpClients[0]
    protocol = factory.buildProtocol(None)
    transport = StringTransport()
    transport.abortConnection = transport.loseConnection
    protocol.makeConnection(transport)
    protocol.dataReceived(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab")
    clock.advance(ANSWER_SECONDS - 0.1)
    assert not outcome and not transport.disconnecting
    clock.advance(0.2)
    assert outcome[0].check(ProviderUnavailableError)  # type: ignore[attr-defined]
    assert "10 seconds" in str(outcome[0].value)  # type: ignore[attr-defined]
    assert transport.disconnecting


@pytest.mark.parametrize(
    "url",
    [
        "http://idp.example.com/",
        "ftp://localhost/",
        "https:///path",
        "/path",
        "",
        "https://a b/",
        "https://idp.example.com/\r\nX: 1",
        "https://ex\u00e4mple.com/",
        "https://[::1/",
        "https://a:99999999/",
        "http://localhost.evil.example/",
        "http://127.0.0.1.evil.example/",
    ],
)
@ensureDeferred
async def test_addresses_that_are_not_asked(url: str) -> None:
    with pytest.raises(ProviderUnavailableError):
        await BoundedClient(reactor).get(url)


@ensureDeferred
async def test_given_authorities_are_trusted_beside_the_systems_and_names_are_checked(
    serve: Callable[..., RawFactory],
) -> None:
    authority, stranger = trustme.CA(), trustme.CA()
    issued = authority.issue_cert("op.localhost")
    pem = issued.private_key_pem.bytes() + issued.cert_chain_pems[0].bytes()
    certificate = ssl.PrivateCertificate.loadPEM(pem)
    options = ssl.CertificateOptions(
        privateKey=certificate.privateKey.original,
        certificate=certificate.original,
        acceptableProtocols=[b"http/1.1"],  # our client names its protocol
    )
    server = serve(answer(b"{}"), tls=options)
    trusting = BoundedClient(reactor, stranger.cert_pem.bytes() + authority.cert_pem.bytes())
    assert (await trusting.get(f"https://op.localhost:{server.port}/")).status == 200
    with pytest.raises(ProviderUnavailableError):
        await trusting.get(f"https://other.localhost:{server.port}/")
    with pytest.raises(ProviderUnavailableError):
        await BoundedClient(reactor).get(f"https://op.localhost:{server.port}/")
    with pytest.raises(ValueError, match="PEM"):
        BoundedClient(reactor, b"not a certificate")
