"""TLS on the socket runs on any reactor, slower: each one in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ECHO = """
import sys
from twisted.internet import {name} as chosen
chosen.install()
from twisted.internet import reactor
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.protocol import Factory, Protocol
from pomerium_tw.transport import TLSEndpoint, listen
from tests.transport.pairs import ClientSide, ServerSide

BIG = b"0123456789abcdef" * 100_000
heard = []

class Echo(Protocol):
    def dataReceived(self, data):
        self.transport.write(data)

class Caller(Protocol):
    def connectionMade(self):
        self.transport.write(BIG)
    def dataReceived(self, data):
        heard.append(data)
        if sum(map(len, heard)) == len(BIG):
            self.transport.loseConnection()
    def connectionLost(self, reason):
        heard.append(reason.type.__name__.encode())
        reactor.stop()

port = listen(reactor, 0, Factory.forProtocol(Echo), 50, "127.0.0.1", tls=ServerSide())
plain = TCP4ClientEndpoint(reactor, "127.0.0.1", port.getHost().port)
TLSEndpoint(reactor, plain, ClientSide()).connect(Factory.forProtocol(Caller))
reactor.callLater(20, reactor.stop)
reactor.run()
print(type(reactor).__name__, b"".join(heard) == BIG + b"ConnectionDone")
"""


@pytest.mark.parametrize(
    ("name", "reactor"),
    [
        ("selectreactor", "SelectReactor"),
        ("pollreactor", "PollReactor"),
        ("epollreactor", "EPollReactor"),
        ("asyncioreactor", "AsyncioSelectorReactor"),
    ],
)
def test_both_ends_hear_each_other(name: str, reactor: str) -> None:
    # The package of the tests installs a reactor itself, unless there is one.
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", ECHO.format(name=name)],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.stdout.split() == [reactor, "True"], done.stderr
