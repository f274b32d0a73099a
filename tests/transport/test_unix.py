"""Connections to unix sockets."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest
from pytest_twisted import ensureDeferred
from twisted.internet.address import UNIXAddress
from twisted.internet.error import ConnectError
from twisted.internet.error import TimeoutError as ConnectTimeout
from twisted.internet.interfaces import IHalfCloseableDescriptor, ITCPTransport
from twisted.internet.testing import MemoryReactorClock

from pomerium_tw.transport import CONNECT_SECONDS, unix_endpoint
from pomerium_tw.transport.unix import EagerUnixClient

from .pairs import Recorder, factory_of, failed, reactor, turns, until


@ensureDeferred
async def test_both_ends_hear_each_other_in_order(tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    server = Recorder()
    listener = reactor.listenUNIX(path, factory_of(server))
    client: Any = await unix_endpoint(reactor, path).connect(factory_of(Recorder()))
    assert isinstance(client.transport, EagerUnixClient)
    assert client.transport.getPeer() == UNIXAddress(path)
    assert IHalfCloseableDescriptor.providedBy(client.transport)
    assert not ITCPTransport.providedBy(client.transport), "nobody asks it for what TCP alone has"
    big = b"0123456789" * 200_000
    client.transport.write(big)
    client.transport.write(b"last")
    await until(lambda: len(server.data) == len(big) + 4)
    assert bytes(server.data) == big + b"last"
    transport: Any = server.transport
    transport.write(b"answer")
    transport.loseConnection()
    await until(lambda: client.lost)
    assert (bytes(client.data), client.done) == (b"answer", True)
    await listener.stopListening()


@ensureDeferred
async def test_file_descriptors_that_the_other_side_sends_are_not_taken(tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        client: Any = await unix_endpoint(reactor, path).connect(factory_of(Recorder()))
        server, _ = listener.accept()
        socket.send_fds(server, [b"a gift"], [listener.fileno()])
        await until(lambda: client.data)
        assert bytes(client.data) == b"a gift"
        server.close()
        await until(lambda: client.lost)


@pytest.mark.parametrize("exists", [True, False])
@ensureDeferred
async def test_a_socket_that_nobody_listens_on_is_a_failure_to_connect(tmp_path: Path, exists: bool) -> None:
    path = tmp_path / "s"
    if exists:
        with socket.socket(socket.AF_UNIX) as left_behind:
            left_behind.bind(str(path))
    with pytest.raises(ConnectError):
        await unix_endpoint(reactor, str(path)).connect(factory_of(Recorder()))


def test_other_reactors_connect_in_their_own_way_and_as_long() -> None:
    memory = MemoryReactorClock()
    failed(unix_endpoint(memory, "/run/app.sock").connect(factory_of(Recorder())))
    assert [(call[0], call[2]) for call in memory.unixClients] == [("/run/app.sock", CONNECT_SECONDS)]


@ensureDeferred
async def test_a_full_socket_fails_within_the_time_out(tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(0)
        queued = []
        for _ in range(2):
            queued.append(socket.socket(socket.AF_UNIX))
            queued[-1].setblocking(False)
            queued[-1].connect_ex(path)
        failures = failed(unix_endpoint(reactor, path, 0.2).connect(factory_of(Recorder())))
        await until(lambda: failures)
        assert failures[0].check(ConnectError, ConnectTimeout)
        for each in queued:
            each.close()
    await turns(1)
