"""TLS towards clients (spec/threats TL)."""

from __future__ import annotations

import socket
from typing import Any

import pytest
import trustme
from pytest_twisted import ensureDeferred
from twisted.internet import reactor as installed

from pomerium_tw.model import Secret
from pomerium_tw.proxy import Timeouts
from pomerium_tw.tls import ServerCertificate, ServerContexts
from pomerium_tw.transport import listen
from tests.doors import Door, guarded
from tests.transport.pairs import Timed, until

reactor: Any = installed
LEAF = trustme.CA().issue_cert("a")
CONTEXTS = ServerContexts(
    [
        ServerCertificate.load(
            b"".join(pem.bytes() for pem in LEAF.cert_chain_pems), Secret(LEAF.private_key_pem.bytes())
        )
    ]
)
HELLO = bytes.fromhex("16030100c8010000c40303")
"""How a ClientHello begins: 200 bytes are announced."""


@pytest.mark.parametrize("proxy_protocol", [False, True])
@pytest.mark.parametrize(
    "timeouts",
    [
        pytest.param(Timeouts(head=10), id="head deadline"),
        pytest.param(Timeouts(head=0, idle=10), id="idle time-out alone"),
    ],
)
@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(b"", id="TL-08 nothing"),
        pytest.param(HELLO[:1], id="TL-08 one byte"),
        pytest.param(HELLO, id="TL-08 half of a ClientHello"),
    ],
)
@ensureDeferred
async def test_a_handshake_that_stalls_ends_with_the_head_deadline_or_else_the_idle_time_out(
    sent: bytes, timeouts: Timeouts, proxy_protocol: bool
) -> None:
    timed = Timed()
    timed.clock.advance(1_000_000)
    door = Door([guarded("a")], lambda _upstream: None, timed, timeouts=timeouts)
    door.start()
    port: Any = listen(
        reactor, 0, door.listener, 50, "127.0.0.1", tls=CONTEXTS, proxy_protocol=proxy_protocol
    )
    client = socket.create_connection(("127.0.0.1", port.getHost().port))
    client.sendall(b"PROXY UNKNOWN\r\n" * proxy_protocol + sent)
    await until(lambda: door.listener._connections)
    client.setblocking(False)
    timed.clock.pump([1.0] * 9)
    assert door.listener._connections
    # 10 s are over, and the sweep looks once a second.
    timed.clock.pump([1.0] * 3)

    def closed() -> bool:
        try:
            return client.recv(100) == b""
        except BlockingIOError:
            return False
        except ConnectionResetError:
            return True

    await until(closed)
    await until(lambda: not door.listener._connections)
    client.close()
    await port.stopListening()
    door.stop()
