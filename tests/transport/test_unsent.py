from __future__ import annotations

import select
import socket
from types import SimpleNamespace
from typing import Any

import pytest
from pytest_twisted import ensureDeferred
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import deferLater
from twisted.internet.testing import StringTransport

from pomerium_tw.transport.unsent import broken, unsent

MEGABYTE = 2**20


class Silent(Protocol):
    """Reads nothing before it is told to."""

    def connectionMade(self) -> None:
        transport: Any = self.transport
        transport.pauseProducing()


@ensureDeferred
async def test_what_a_reader_has_not_taken_is_counted_wherever_it_waits() -> None:
    running: Any = reactor
    came: Deferred[Any] = Deferred()

    class Writer(Protocol):
        def connectionMade(self) -> None:
            came.callback(self.transport)

    port = running.listenTCP(0, Factory.forProtocol(Writer), interface="127.0.0.1")
    endpoint = TCP4ClientEndpoint(reactor, "127.0.0.1", port.getHost().port)
    reader: Any = await endpoint.connect(Factory.forProtocol(Silent))
    writer = await came
    assert unsent(writer) == 0
    writer.write(b"x" * 32 * MEGABYTE)
    await deferLater(running, 0.1)
    held = unsent(writer)
    assert 8 * MEGABYTE < held <= 32 * MEGABYTE
    assert unsent(writer) == held
    reader.transport.resumeProducing()
    while unsent(writer):
        await deferLater(running, 0.01)
    reader.transport.abortConnection()
    writer.abortConnection()
    await port.stopListening()


def test_the_systems_own_buffer_counts() -> None:
    near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    with near, far:
        near.sendall(b"x" * 1000)
        assert unsent(near) >= 1000
        far.recv(1000)
        assert unsent(near) == 0


@pytest.mark.parametrize("transport", [StringTransport(), object()])
def test_of_what_is_no_socket_nothing_is_known(transport: object) -> None:
    assert unsent(transport) == 0
    assert broken(transport) is False


def test_what_meets_a_reset_is_never_taken() -> None:
    """As of a client that has closed its side, or all of it: what it is sent then tells the two apart."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        for leaves in (False, True):
            with socket.create_connection(server.getsockname()) as client, server.accept()[0] as ours:
                transport = SimpleNamespace(socket=ours, fileno=ours.fileno)
                client.close() if leaves else client.shutdown(socket.SHUT_WR)
                assert ours.recv(1) == b""
                assert broken(transport) is False
                ours.sendall(b"answer")
                if leaves:
                    poll = select.poll()
                    poll.register(ours, 0)  # errors only
                    assert poll.poll(5000)
                assert (broken(transport), unsent(transport)) == (leaves, 6 if leaves else 0)
