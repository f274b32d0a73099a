from __future__ import annotations

import re
import socket
import subprocess
import sys
from typing import Any
from uuid import UUID

import pytest
from pytest_twisted import ensureDeferred
from twisted.internet import reactor
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.error import ConnectionDone
from twisted.internet.protocol import Factory
from twisted.python.failure import Failure

from pomerium_tw.proxy.admission import ConnectionLimits
from pomerium_tw.proxy.listener import RequestIds
from pomerium_tw.tls import ServerContexts
from pomerium_tw.transport import listen
from tests.doors import Caller, Pipe, Wire, read_answers
from tests.tls.values import issued

PING = b"GET /ping HTTP/1.1\r\nHost: a\r\n\r\n"


def test_request_ids_are_uuids_of_version_4_that_do_not_repeat() -> None:
    new = RequestIds()
    made = [new() for _ in range(1000)]
    assert len(set(made)) == 1000
    for text in made[::50]:
        assert (UUID(text).version, UUID(text).variant, str(UUID(text))) == (4, "specified in RFC 4122", text)


def test_request_ids_take_their_randomness_in_batches() -> None:
    drawn: list[int] = []

    def random(size: int) -> bytes:
        drawn.append(size)
        return bytes(size)

    new = RequestIds(random)
    for _ in range(256):
        assert new() == "00000000-0000-4000-8000-000000000000"
    assert len(drawn) == 1


@pytest.mark.parametrize(
    ("host", "address"),
    [("192.0.2.1", "192.0.2.1"), ("::ffff:192.0.2.1", "192.0.2.1"), ("fe80::1%eth0", "fe80::1")],
)
def test_the_peers_address_is_bare(host: str, address: str) -> None:
    class Transport(Pipe):
        def getPeer(self) -> object:
            return IPv6Address("TCP", host, 5)

    assert Wire().door.listener.peer_of(Transport()) == (address, 5)


def test_connections_beyond_the_limit_are_not_taken() -> None:
    wire = Wire()
    wire.door.listener.admission.limits = ConnectionLimits(total=1)
    assert wire.door.listener.buildProtocol(None) is None
    wire.client_closes()
    wire.open()
    assert read_answers(wire.send(PING))[0].status == 200


def test_a_connection_counts_until_it_is_over_whatever_the_address_looks_like() -> None:
    class Mapped(Pipe):
        def getPeer(self) -> IPv6Address:
            return IPv6Address("TCP", "::ffff:192.0.2.1", 5)

    listener = Wire().door.listener
    listener.admission.limits = ConnectionLimits(per_client=1)
    address = IPv6Address("TCP", "::ffff:192.0.2.1", 5)
    taken = listener.buildProtocol(address)
    assert taken is not None
    taken.makeConnection(Mapped())
    assert listener.buildProtocol(IPv4Address("TCP", "192.0.2.1", 6)) is None
    taken.connectionLost(Failure(ConnectionDone()))
    assert listener.buildProtocol(address) is not None


def test_every_answer_has_a_request_id() -> None:
    wire = Wire()
    for sent in (PING, b"GET / HTTP/1.1\r\nHost: unknown\r\n\r\n", b"nonsense\r\n\r\n"):
        assert re.search(rb"\r\nX-Request-Id: [0-9a-f-]{36}\r\n", wire.send(sent))


@ensureDeferred
async def test_a_connection_that_there_is_no_room_for_ends_before_a_handshake() -> None:
    listener = Wire().door.listener
    listener.admission.limits = ConnectionLimits(total=1)
    port: Any = listen(reactor, 0, listener, 50, "127.0.0.1", tls=ServerContexts([issued("a")]))
    endpoint = TCP4ClientEndpoint(reactor, "127.0.0.1", port.getHost().port)
    caller: Caller = await endpoint.connect(Factory.forProtocol(Caller))
    caller.send(b"\x16\x03\x01")
    await caller.end()
    assert caller.received == b""
    await port.stopListening()


OUT_OF_DESCRIPTORS = """
import resource, socket, sys, threading
from pomerium_tw.transport import install_reactor
install_reactor()
from twisted.internet import reactor
from twisted.internet.protocol import Factory, Protocol

class Echo(Protocol):
    def dataReceived(self, data):
        self.transport.write(data)

factory = Factory.forProtocol(Echo)
factory.noisy = False
port = reactor.listenTCP(0, factory, 100, "127.0.0.1").getHost().port
print(port, flush=True)
resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40))
reactor.callLater(20, reactor.stop)

def wait_for_end():
    sys.stdin.read()
    used = resource.getrusage(resource.RUSAGE_SELF)
    print(used.ru_utime + used.ru_stime, flush=True)
    reactor.callFromThread(reactor.stop)

threading.Thread(target=wait_for_end, daemon=True).start()
reactor.run()
"""


def test_a_process_without_descriptors_closes_new_connections_and_serves_the_old_ones() -> None:
    """Twisted keeps one descriptor in reserve for it; connections that wait would make it turn in circles."""
    process = subprocess.Popen(
        [sys.executable, "-c", OUT_OF_DESCRIPTORS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin is not None
    assert process.stdout is not None
    port = int(process.stdout.readline())
    callers = [socket.create_connection(("127.0.0.1", port), 5) for _ in range(80)]
    answers = []
    for caller in callers:
        caller.settimeout(5)
        try:
            caller.sendall(b"x")
            answers.append(caller.recv(1))
        except ConnectionError:
            answers.append(b"")
    served = answers.count(b"x")
    assert 10 < served < 40
    assert answers.count(b"") == 80 - served
    for caller in callers:
        caller.close()
    with socket.create_connection(("127.0.0.1", port), 5) as later:
        later.sendall(b"x")
        assert later.recv(1) == b"x"
    process.stdin.close()
    assert float(process.stdout.read()) < 3
    assert process.wait(10) == 0
