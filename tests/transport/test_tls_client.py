"""Connecting with TLS on the socket: over when the handshake is, or within a time; and reading what came."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from select import select
from typing import Any

import pytest
from OpenSSL import SSL
from pytest_twisted import ensureDeferred
from twisted.internet.defer import CancelledError
from twisted.internet.endpoints import HostnameEndpoint, TCP4ClientEndpoint
from twisted.internet.error import ConnectError, ConnectionLost, NoProtocol
from twisted.internet.error import TimeoutError as ConnectTimeout
from twisted.internet.protocol import Factory

from pomerium_tw.transport import TLSEndpoint, client_endpoint, tls_client, unix_endpoint
from pomerium_tw.transport.listening import TLSServer

from .pairs import (
    ClientSide,
    Recorder,
    ServerSide,
    Timed,
    endpoint_to,
    factory_of,
    failed,
    reactor,
    serving,
    turns,
    until,
)


@pytest.mark.parametrize("kind", ["address", "localhost", "name"])
@ensureDeferred
async def test_any_endpoint_will_do(kind: str) -> None:
    async with serving(server := Recorder()) as port:
        number = port.getHost().port
        plain: Any = {
            "address": lambda: client_endpoint(reactor, "127.0.0.1", number),
            "localhost": lambda: client_endpoint(reactor, "app.localhost", number),
            "name": lambda: HostnameEndpoint(reactor, "localhost", number),
        }[kind]()
        client: Any = await TLSEndpoint(reactor, plain, ClientSide()).connect(factory_of(Recorder()))
        assert client.made
        client.transport.write(b"hello")
        await until(lambda: server.data)
        assert client.transport.getPeer().port == number
        client.transport.loseConnection()
        await until(lambda: client.lost)


@ensureDeferred
async def test_it_is_connected_when_the_handshake_is_over_and_not_before() -> None:
    silent = reactor.listenTCP(0, Factory.forProtocol(Recorder), interface="127.0.0.1")
    client = Recorder()
    connecting = endpoint_to(silent).connect(factory_of(client))
    failures = failed(connecting)
    await turns(30)
    assert not client.made
    assert not failures
    connecting.cancel()
    await until(lambda: failures)
    assert failures[0].check(CancelledError)
    assert not client.made
    await silent.stopListening()


@ensureDeferred
async def test_a_handshake_counts_towards_the_connect_time_out() -> None:
    """10 s, TLS included (spec/proxy §2.7)."""
    accepted: list[Recorder] = []

    def accept(_address: object) -> Recorder:
        accepted.append(Recorder())
        return accepted[-1]

    factory: Any = Factory()
    factory.buildProtocol = accept
    silent = reactor.listenTCP(0, factory, interface="127.0.0.1")
    timed = Timed()
    plain = TCP4ClientEndpoint(reactor, "127.0.0.1", silent.getHost().port)
    failures = failed(TLSEndpoint(timed, plain, ClientSide()).connect(factory_of(Recorder())))
    await until(lambda: accepted and accepted[0].data)
    timed.clock.advance(9.9)
    assert not failures
    timed.clock.advance(0.2)
    assert failures[0].check(ConnectTimeout)
    assert "10 seconds" in str(failures[0].value)
    await until(lambda: accepted[0].lost)
    await silent.stopListening()


@ensureDeferred
async def test_nobody_listening_fails_as_the_plain_endpoint_does() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        plain = TCP4ClientEndpoint(reactor, "127.0.0.1", free.getsockname()[1])
        with pytest.raises(ConnectError, match="refused"):
            await TLSEndpoint(reactor, plain, ClientSide()).connect(factory_of(Recorder()))


class Says(Recorder):
    """Answers the first bytes with something that is not TLS, or hangs up."""

    def __init__(self, said: bytes) -> None:
        super().__init__()
        self.said = said

    def dataReceived(self, data: bytes) -> None:
        transport: Any = self.transport
        transport.write(self.said)
        transport.loseConnection()


@pytest.mark.parametrize(
    ("said", "error"), [(b"HTTP/1.1 400 Bad Request\r\n\r\n", SSL.Error), (b"", ConnectionLost)]
)
@ensureDeferred
async def test_a_server_without_tls_is_a_failure_to_connect(said: bytes, error: type[Exception]) -> None:
    port = reactor.listenTCP(0, factory_of(Says(said)), interface="127.0.0.1")
    with pytest.raises(error):
        await endpoint_to(port).connect(factory_of(Recorder()))
    await port.stopListening()


@ensureDeferred
async def test_a_factory_that_wants_nobody_is_a_failure_to_connect() -> None:
    async with serving(server := Recorder()) as port:
        with pytest.raises(NoProtocol):
            await endpoint_to(port).connect(factory_of())
        await until(lambda: server.lost)


@ensureDeferred
async def test_what_a_protocol_does_as_it_is_made_is_done() -> None:
    class Hasty(Recorder):
        def connectionMade(self) -> None:
            super().connectionMade()
            transport: Any = self.transport
            transport.write(b"all I have to say")
            transport.loseConnection()

    async with serving(server := Recorder()) as port:
        client: Any = await endpoint_to(port).connect(factory_of(Hasty()))
        await until(lambda: client.lost and server.lost)
        assert bytes(server.data) == b"all I have to say"
        assert server.done


@ensureDeferred
async def test_tls_over_a_unix_socket(tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    factory = factory_of(server := Recorder())
    listener = reactor.listenUNIX(path, factory)
    listener.tls = ServerSide()

    class Server(TLSServer):
        def getPeer(self) -> Any:
            return None

    listener.transport = lambda sock, protocol, client, *rest: Server(sock, protocol, ("", 0), *rest)
    endpoint = TLSEndpoint(reactor, unix_endpoint(reactor, path), ClientSide())
    client: Any = await endpoint.connect(factory_of(Recorder()))
    client.transport.write(b"hello")
    await until(lambda: bytes(server.data) == b"hello")
    client.transport.loseConnection()
    await until(lambda: server.lost and client.lost)
    await listener.stopListening()


# -- what lies unread


class Scripted:
    """A server that does nothing of its own accord, and whose records leave in one piece."""

    def __init__(self, sock: socket.socket, client: Any) -> None:
        self.socket, self.client = sock, client
        self._connection = SSL.Connection(ServerSide().context)
        self._connection.set_accept_state()

    def take(self) -> None:
        """What the client has sent becomes OpenSSL's."""
        with suppress(BlockingIOError):
            self._connection.bio_write(self.socket.recv(65536))

    def shake(self) -> bool:
        """Whether the handshake is over, the session tickets of TLS 1.3 among what is left to send."""
        self.take()
        try:
            self._connection.do_handshake()
        except SSL.WantReadError:
            self.send()
            return False
        return True

    def say(self, *records: bytes) -> None:
        for record in records:
            self._connection.send(record)

    def end(self) -> None:
        self._connection.shutdown()

    def send(self) -> None:
        with suppress(SSL.WantReadError):
            self.socket.sendall(self._connection.bio_read(65536))


@asynccontextmanager
async def scripted() -> AsyncIterator[Scripted]:
    """The handshake is over; the session tickets are yet to be sent."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        plain = TCP4ClientEndpoint(reactor, "127.0.0.1", listener.getsockname()[1])
        client = Recorder()
        connecting = TLSEndpoint(reactor, plain, ClientSide()).connect(factory_of(client))
        await until(lambda: select([listener], [], [], 0)[0])
        with listener.accept()[0] as sock:
            sock.setblocking(False)
            server = Scripted(sock, client)
            await until(server.shake)
            await connecting
            yield server
            if client.lost is None:
                transport: Any = client.transport
                transport.abortConnection()
                await until(lambda: client.lost)


@ensureDeferred
async def test_session_tickets_that_lie_unread_are_read_and_cost_nothing() -> None:
    async with scripted() as server:
        server.send()
        server.client.transport.catch_up()
        server.client.transport.catch_up()
        assert server.client.lost is None
        server.client.transport.write(b"hello")
        await turns(2)
        server.say(b"good day")
        server.send()
        await until(lambda: server.client.data)
        assert bytes(server.client.data) == b"good day"


@ensureDeferred
async def test_what_lies_behind_session_tickets_is_read_too() -> None:
    async with scripted() as server:
        server.say(b"unasked")
        server.send()
        server.client.transport.catch_up()
        assert bytes(server.client.data) == b"unasked"


@ensureDeferred
async def test_who_says_much_without_data_is_not_listened_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tls_client, "MOST_UNREAD", 1)
    async with scripted() as server:
        server.send()
        server.client.transport.catch_up()
        assert server.client.lost is not None


@ensureDeferred
async def test_a_record_behind_the_one_that_was_read_is_not_left_there() -> None:
    async with scripted() as server:
        server.say(b"first", b"second")
        server.send()
        await until(lambda: server.client.data)
        assert bytes(server.client.data) == b"first", "the reactor reads one record a turn"
        server.client.transport.catch_up()
        assert bytes(server.client.data) == b"firstsecond"


@pytest.mark.parametrize("politely", [True, False])
@ensureDeferred
async def test_an_end_that_lies_unread_is_an_end(*, politely: bool) -> None:
    async with scripted() as server:
        if politely:
            server.end()
        server.send()
        server.socket.close()
        server.client.transport.catch_up()
        assert server.client.lost is not None
        assert server.client.done is politely


@ensureDeferred
async def test_where_nothing_lies_nothing_happens() -> None:
    async with scripted() as server:
        server.client.transport.catch_up()
        assert (bytes(server.client.data), server.client.lost) == (b"", None)
