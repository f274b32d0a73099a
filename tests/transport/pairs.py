"""Two ends of a TLS connection on a loopback socket: ours, and ours or another's."""

from __future__ import annotations

import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import trustme
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509 import load_pem_x509_certificate
from OpenSSL import SSL
from twisted.internet import reactor as installed
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.error import ConnectionDone
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import Clock, deferLater
from twisted.python.failure import Failure

from pomerium_tw.transport import TLSConnection, TLSEndpoint, listen

reactor: Any = installed
CA = trustme.CA()
LEAF = CA.issue_cert("localhost")
SOON = 10.0
"""Seconds within which things on loopback happen, or a test fails."""


class Timed:
    """The reactor with a clock of the test's own."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.callLater = self.clock.callLater
        self.seconds = self.clock.seconds

    def __getattr__(self, name: str) -> Any:
        return getattr(reactor, name)


class ServerSide:
    """A context with one certificate."""

    def __init__(self) -> None:
        self.context = SSL.Context(SSL.TLS_SERVER_METHOD)
        self.context.use_certificate(load_pem_x509_certificate(LEAF.cert_chain_pems[0].bytes()))
        key: Any = load_pem_private_key(LEAF.private_key_pem.bytes(), None)
        self.context.use_privatekey(key)

    def connection(self, sock: socket.socket) -> TLSConnection:
        return TLSConnection(self.context, sock)


class ClientSide:
    """Believes anybody."""

    def connection(self, sock: socket.socket, side: Any) -> TLSConnection:
        return TLSConnection(SSL.Context(SSL.TLS_CLIENT_METHOD), sock)


class Recorder(Protocol):
    """Keeps what arrives and how it ended."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.pieces = 0
        self.made = False
        self.lost: Failure | None = None

    def connectionMade(self) -> None:
        self.made = True

    def dataReceived(self, data: bytes) -> None:
        self.data += data
        self.pieces += 1

    def connectionLost(self, reason: Failure | None = None) -> None:
        self.lost = reason

    @property
    def done(self) -> bool:
        """It ended, and as it should."""
        return self.lost is not None and self.lost.check(ConnectionDone) is not None


async def until(condition: Callable[[], object]) -> None:
    """Turns of the reactor until ``condition`` holds."""
    limit = reactor.seconds() + SOON
    while not condition():
        assert reactor.seconds() < limit, "it did not happen"
        await deferLater(reactor, 0, lambda: None)


async def turns(count: int) -> None:
    for _ in range(count):
        await deferLater(reactor, 0, lambda: None)


def factory_of(*protocols: Any) -> Any:
    factory: Any = Factory()
    factory.noisy = False
    waiting = list(protocols)
    factory.asked = []

    def build(address: Any) -> Any:
        factory.asked.append(address)
        return waiting.pop(0) if waiting else None

    factory.buildProtocol = build
    return factory


@asynccontextmanager
async def serving(*protocols: Any, tls: Any = None, **how: Any) -> AsyncIterator[Any]:
    """A listening port whose connections get ``protocols`` in turn, and nobody afterwards."""
    tls = ServerSide() if tls is None else tls or None
    port: Any = listen(reactor, 0, factory_of(*protocols), 50, "127.0.0.1", tls=tls, **how)
    try:
        yield port
    finally:
        await port.stopListening()
        for each in protocols:
            if each.made and each.lost is None:
                each.transport.abortConnection()
                await until(lambda each=each: each.lost is not None)


def endpoint_to(port: Any, timeout: float = SOON) -> TLSEndpoint:
    plain = TCP4ClientEndpoint(reactor, "127.0.0.1", port.getHost().port, SOON)
    return TLSEndpoint(reactor, plain, ClientSide(), timeout)


class Pair:
    """Our server and our client."""

    def __init__(self, server: Any, client: Any) -> None:
        self.server, self.client = server, client

    @property
    def sender(self) -> Any:
        return self.server.transport

    @property
    def receiver(self) -> Any:
        return self.client.transport


@asynccontextmanager
async def pair(server: Any = None, client: Any = None) -> AsyncIterator[Pair]:
    """A connection whose socket holds little on the way to the client."""
    server, client = server or Recorder(), client or Recorder()
    async with serving(server) as port:
        await endpoint_to(port).connect(factory_of(client))
        await until(lambda: server.transport._shaken)
        server.transport.getHandle().setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        try:
            yield Pair(server, client)
        finally:
            if client.lost is None:
                client.transport.abortConnection()
                await until(lambda: client.lost is not None)


def other_client(**settings: Any) -> ssl.SSLContext:
    """The standard library's client, which checks nothing."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    for name, value in settings.items():
        setattr(context, name, value)
    return context


def failed(deferred: Deferred[Any]) -> list[Failure]:
    """What a Deferred fails with, when it does."""
    failures: list[Failure] = []
    deferred.addErrback(failures.append)
    return failures


class Push:
    """A streaming producer that counts what it is told."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def pauseProducing(self) -> None:
        self.calls.append("pause")

    def resumeProducing(self) -> None:
        self.calls.append("resume")

    def stopProducing(self) -> None:
        self.calls.append("stop")
