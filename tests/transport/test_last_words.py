"""What a server said before it closed without reading all that it was sent."""

from __future__ import annotations

import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from pytest_twisted import ensureDeferred
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.error import ConnectionAborted, ConnectionLost
from twisted.python.failure import Failure

from pomerium_tw.transport import unix_endpoint
from pomerium_tw.transport.eager import SHORT_READ
from pomerium_tw.transport.gathering import MOST_PIECES

from .pairs import Recorder, endpoint_to, factory_of, reactor, serving, turns, until

ANSWER = bytes(range(256)) * 200
"""More than one read takes, and less than a socket does at once."""
UPLOAD = b"u" * 8_000_000
"""More than two sockets take."""


@asynccontextmanager
async def uploading(kind: str, folder: Path) -> AsyncIterator[tuple[Any, socket.socket]]:
    """A client with bytes left to write, and the socket of a server that reads none of them."""
    family, path = (socket.AF_UNIX, str(folder / "s")) if kind == "unix" else (socket.AF_INET, "")
    with socket.socket(family) as listener:
        listener.bind(path or ("127.0.0.1", 0))
        listener.listen()
        if path:
            endpoint: Any = unix_endpoint(reactor, path)
        else:
            endpoint = TCP4ClientEndpoint(reactor, "127.0.0.1", listener.getsockname()[1])
        client: Any = await endpoint.connect(factory_of(Recorder()))
        server, _ = listener.accept()
        client.transport.write(UPLOAD)
        client.transport.flush()
        assert client.transport in reactor.getWriters()
        try:
            yield client, server
        finally:
            server.close()
            await until(lambda: client.lost)


def vanish(server: socket.socket) -> None:
    """Close without reading: the system resets the connection."""
    server.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    server.close()


@pytest.mark.parametrize("kind", ["tcp", "unix"])
@ensureDeferred
async def test_an_answer_is_read_to_its_end_though_no_more_can_be_written(kind: str, tmp_path: Path) -> None:
    assert len(ANSWER) > SHORT_READ
    async with uploading(kind, tmp_path) as (client, server):
        server.sendall(ANSWER)
        vanish(server)
        await until(lambda: client.lost)
        assert bytes(client.data) == ANSWER
        assert client.lost.check(ConnectionLost), "an answer without a length may have been longer"


@ensureDeferred
async def test_a_connection_that_breaks_without_an_answer_is_lost_at_once(tmp_path: Path) -> None:
    async with uploading("tcp", tmp_path) as (client, server):
        vanish(server)
        await turns(3)
        assert client.lost.check(ConnectionLost)


class OneByOne(Recorder):
    """Reads no further than it has to."""

    def dataReceived(self, data: bytes) -> None:
        super().dataReceived(data)
        transport: Any = self.transport
        transport.pauseProducing()


@ensureDeferred
async def test_what_is_left_waits_for_a_reader_that_is_slow_and_nothing_is_written_meanwhile(
    tmp_path: Path,
) -> None:
    async with uploading("tcp", tmp_path) as (client, server):
        client.__class__ = OneByOne
        server.sendall(ANSWER)
        vanish(server)
        await until(lambda: client.data)
        await turns(3)
        assert (bytes(client.data), client.lost) == (ANSWER[:SHORT_READ], None)
        for _ in range(MOST_PIECES):
            client.transport.write(b"more")
        assert client.transport not in reactor.getWriters()
        client.transport.resumeProducing()
        await until(lambda: len(client.data) == len(ANSWER))
        client.transport.resumeProducing()
        await until(lambda: client.lost)
        assert client.lost.check(ConnectionLost)


@ensureDeferred
async def test_closing_is_possible_when_no_more_can_be_written(tmp_path: Path) -> None:
    async with uploading("tcp", tmp_path) as (client, server):
        client.__class__ = OneByOne
        server.sendall(ANSWER)
        vanish(server)
        await until(lambda: client.data)
        await turns(3)
        client.transport.loseConnection()
        assert client.lost is not None


@ensureDeferred
async def test_over_tls_the_first_write_that_fails_leaves_the_answer_to_be_read() -> None:
    """OpenSSL reads nothing after a write that failed."""
    server, client = Recorder(), Recorder()
    async with serving(server) as port:
        await endpoint_to(port).connect(factory_of(client))
        await until(lambda: server.made and server.transport._shaken)
        server.transport.setTcpNoDelay(True)  # the answer is under way when the connection is reset
        server.transport.write(ANSWER[:1000])
        server.transport.flush()
        server.transport.connectionLost(Failure(ConnectionAborted()))
        client.transport.write(b"more of the upload")
        client.transport.flush()
        await until(lambda: client.lost)
        assert bytes(client.data) == ANSWER[:1000]
        assert client.lost.check(ConnectionLost)


@ensureDeferred
async def test_over_tls_an_answer_is_read_to_its_end_too() -> None:
    server, client = Recorder(), Recorder()
    async with serving(server) as port:
        await endpoint_to(port).connect(factory_of(client))
        await until(lambda: server.made and server.transport._shaken)
        sender, receiver = server.transport, client.transport
        sender.stopReading()
        sender.setTcpNoDelay(True)  # all of the answer is under way when the connection is reset
        receiver.write(UPLOAD)
        receiver.flush()
        assert receiver in reactor.getWriters()
        for piece in (ANSWER[:100], ANSWER[100:]):
            sender.write(piece)
            sender.flush()
        sender.connectionLost(Failure(ConnectionAborted()))
        await until(lambda: client.lost)
        assert bytes(client.data) == ANSWER
        assert client.lost.check(ConnectionLost)
