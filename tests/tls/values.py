"""Certificates, and two ends of a handshake on loopback sockets."""

from __future__ import annotations

import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import trustme
from cryptography import x509
from twisted.internet import reactor as installed
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, wrapClientTLS
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.threads import deferToThread
from twisted.python.failure import Failure

from pomerium_tw.model import Secret
from pomerium_tw.tls import ClientConnection, ServerCertificate, ServerContexts
from pomerium_tw.transport import TLSEndpoint, listen

reactor: Any = installed
CA = trustme.CA()


def issued(*names: str, common_name: str | None = None, ca: trustme.CA = CA) -> ServerCertificate:
    leaf = ca.issue_cert(*names, common_name=common_name)
    chain = b"".join(pem.bytes() for pem in leaf.cert_chain_pems)
    return ServerCertificate.load(chain, Secret(leaf.private_key_pem.bytes()))


class Greeter(Protocol):
    """Says hello, which only a finished handshake lets through."""

    spoken: bytes | None = None
    """What the last handshake agreed on."""

    def connectionMade(self) -> None:
        transport: Any = self.transport
        transport.write(b"hello")

    def connectionLost(self, reason: Failure | None = None) -> None:
        transport: Any = self.transport
        Greeter.spoken = transport.negotiatedProtocol


@asynccontextmanager
async def serving(contexts: ServerContexts) -> AsyncIterator[int]:
    """The port of a server on loopback."""
    factory = Factory.forProtocol(Greeter)
    factory.noisy = False
    port: Any = listen(reactor, 0, factory, 50, "127.0.0.1", tls=contexts)
    try:
        yield port.getHost().port
    finally:
        await port.stopListening()


class Seen:
    """What a client learnt in a handshake."""

    def __init__(self, connection: ssl.SSLSocket) -> None:
        leaf = connection.getpeercert(binary_form=True)
        assert leaf is not None
        self.certificate = x509.load_der_x509_certificate(leaf)
        self.version = connection.version()
        self.protocol = connection.selected_alpn_protocol()
        cipher = connection.cipher()
        assert cipher is not None
        self.cipher = cipher[0]
        self.greeting = connection.recv(5)


def client_context(**settings: Any) -> ssl.SSLContext:
    """The standard library's client, which checks nothing."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    for name, value in settings.items():
        setattr(context, name, value)
    return context


async def shake(port: int, name: str | None, context: ssl.SSLContext | None = None) -> Seen:
    """A handshake by another TLS implementation than ours. Raises what it raises."""

    def connect() -> Seen:
        with (
            socket.create_connection(("127.0.0.1", port), timeout=10) as plain,
            (context or client_context()).wrap_socket(plain, server_hostname=name) as connection,
        ):
            return Seen(connection)

    seen: Seen = await deferToThread(connect)
    return seen


class _Receiver(Protocol):
    def __init__(self) -> None:
        self.done: Deferred[bytes] = Deferred()

    def dataReceived(self, data: bytes) -> None:
        self._end(data)

    def connectionLost(self, reason: Failure | None = None) -> None:
        self._end(reason)

    def _end(self, result: Any) -> None:
        if not self.done.called:
            self.done.callback(result)


async def fetch(port: int, tls: ClientConnection, *, in_memory: bool = False) -> bytes:
    """What the server says to our own client. Raises what ended the handshake.

    ``in_memory``: by Twisted's own TLS.
    """
    plain = TCP4ClientEndpoint(reactor, "127.0.0.1", port, 10)
    endpoint = wrapClientTLS(tls, plain) if in_memory else TLSEndpoint(reactor, plain, tls)
    receiver: Any = await endpoint.connect(Factory.forProtocol(_Receiver))
    said = await receiver.done
    receiver.transport.abortConnection()
    if isinstance(said, Failure):
        said.raiseException()
    return bytes(said)
