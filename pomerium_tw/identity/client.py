"""The HTTP client for identity providers: every answer is small, soon, and from where it was asked (DO-06,
DO-07).

Requests are an ``Agent``'s own: treq's always offer gzip, and inflate whole chunks before anyone can count.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, cast
from urllib.parse import urlencode, urlsplit

import treq
from twisted.internet import defer
from twisted.internet.defer import Deferred, succeed
from twisted.internet.endpoints import wrapClientTLS
from twisted.internet.interfaces import (
    IConsumer,
    IProtocol,
    IProtocolFactory,
    IReactorPluggableNameResolver,
    IReactorTCP,
    IReactorTime,
    IStreamClientEndpoint,
)
from twisted.internet.protocol import connectionDone
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory
from twisted.python.failure import Failure
from twisted.web.client import URI, Agent, HTTPConnectionPool
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgentEndpointFactory, IBodyProducer, IResponse
from zope.interface import implementer

from ..tls import TrustRoots, client_connection
from ..transport import client_endpoint, is_localhost_name
from .errors import ProviderUnavailableError

ANSWER_SECONDS = 10.0
"""Name look-up, connection, TLS, request and answer together."""
MAX_ANSWER_BYTES = 1024 * 1024
"""Body of one answer."""
MAX_FRAMING_BYTES = 64 * 1024
"""Whatever else one answer may take on the line: its head, chunk sizes, trailers."""
USER_AGENT = "pomerium-tw"


class ClientReactor(IReactorTCP, IReactorTime, IReactorPluggableNameResolver):
    """What the client needs of a reactor."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer of a provider."""

    status: int
    content_type: str
    """Media type in lower case, no parameters."""
    body: bytes

    def json(self) -> dict[str, Any]:
        """The body as a JSON object. Raises ProviderUnavailableError for anything else.

        Some gateway answered.
        """
        try:
            value = json.loads(self.body, parse_constant=_no_constant, parse_float=_finite)
        except (ValueError, RecursionError):
            value = None
        if not isinstance(value, dict):
            raise ProviderUnavailableError(
                f"the provider answered {self.status} with something that is not JSON"
            )
        return value


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("a number is too large")
    return number


class BoundedClient:
    """Asks providers over HTTPS; plain HTTP only of this machine itself.

    An answer ends after 10 seconds and 1 MiB, is never inflated, and redirects are not followed. Whatever
    goes wrong below HTTP is a ProviderUnavailableError. ``trust_pem`` adds authorities to the system's;
    TLSError when unreadable.
    """

    def __init__(self, reactor: ClientReactor, trust_pem: bytes = b"") -> None:
        self._reactor = reactor
        self._agent = Agent.usingEndpointFactory(
            reactor,
            _MeteredEndpoints(reactor, TrustRoots(trust_pem)),
            HTTPConnectionPool(reactor, persistent=False),
        )

    def get(self, url: str, headers: Mapping[str, str] | None = None) -> Deferred[Answer]:
        return Deferred.fromCoroutine(self._ask(b"GET", url, headers or {}, None))

    def post_form(
        self, url: str, fields: Mapping[str, str], headers: Mapping[str, str] | None = None
    ) -> Deferred[Answer]:
        """Sends ``fields`` as ``application/x-www-form-urlencoded``."""
        typed = {"Content-Type": "application/x-www-form-urlencoded", **(headers or {})}
        return Deferred.fromCoroutine(self._ask(b"POST", url, typed, urlencode(fields).encode("ascii")))

    def post_json(self, url: str, value: Any, headers: Mapping[str, str] | None = None) -> Deferred[Answer]:
        typed = {"Content-Type": "application/json", **(headers or {})}
        return Deferred.fromCoroutine(self._ask(b"POST", url, typed, json.dumps(value).encode("ascii")))

    async def _ask(self, method: bytes, url: str, headers: Mapping[str, str], body: bytes | None) -> Answer:
        check_address(url)
        host = urlsplit(url).netloc
        lines = {
            "User-Agent": USER_AGENT,
            "Accept": "application/json",
            "Accept-Encoding": "identity",
            **headers,
        }
        raw = Headers({name.encode("ascii"): [value.encode("ascii")] for name, value in lines.items()})
        producer = None if body is None else _WholeBody(body)
        exchange = Deferred.fromCoroutine(self._exchange(method, url.encode("ascii"), raw, producer))
        try:
            return await exchange.addTimeout(ANSWER_SECONDS, self._reactor)
        except ProviderUnavailableError:
            raise
        except defer.TimeoutError:
            raise ProviderUnavailableError(
                f"{host} did not answer within {ANSWER_SECONDS:g} seconds"
            ) from None
        except Exception as error:
            # Agent's errors are many and private; none of them carries what was sent.
            raise ProviderUnavailableError(f"{host} could not be asked: {_reason(error)}") from error

    async def _exchange(
        self, method: bytes, url: bytes, headers: Headers, producer: IBodyProducer | None
    ) -> Answer:
        response: IResponse = await self._agent.request(method, url, headers, producer)
        body = _Body()
        await treq.collect(response, body.add)
        if response.headers.hasHeader(b"content-encoding"):
            raise ProviderUnavailableError("the provider sent a compressed answer, which was not asked for")
        kind = (response.headers.getRawHeaders(b"content-type") or [b""])[-1]
        media_type = kind.partition(b";")[0].strip().lower().decode("latin-1")
        return Answer(response.code, media_type, b"".join(body.chunks))


def check_address(url: str) -> None:
    """Raises ProviderUnavailableError unless ``url`` is one that the client may ask."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        _ = parts.port
    except ValueError:
        host = ""
    if not host or not url.isascii() or any(character <= " " or character == "\x7f" for character in url):
        raise ProviderUnavailableError("an address of the provider is not a URL")
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(host)):
        raise ProviderUnavailableError(f"{host} may only be asked over https")


def is_loopback(host: str) -> bool:
    """This machine itself, by name (RFC 6761 §6.3) or address."""
    return is_localhost_name(host) or host in ("127.0.0.1", "::1")


def _reason(error: Exception) -> str:
    reasons = getattr(error, "reasons", None)
    inner = reasons[0].value if reasons else error
    text = str(inner) or type(inner).__name__
    return text if len(text) < 200 else type(inner).__name__


class _AbortableTransport(Protocol):
    def abortConnection(self) -> None: ...


class AnswerTooLargeError(Exception):
    """More came than any answer may have."""

    def __init__(self) -> None:
        super().__init__(f"the answer is larger than {MAX_ANSWER_BYTES} bytes")


class _Body:
    """Collects a body up to the limit, also one that nothing but the end of the connection ends."""

    def __init__(self) -> None:
        self.chunks: list[bytes] = []
        self._size = 0

    def add(self, chunk: bytes) -> None:
        self._size += len(chunk)
        if self._size > MAX_ANSWER_BYTES:
            raise AnswerTooLargeError
        self.chunks.append(chunk)


class _Meter(ProtocolWrapper):
    """Bounds one connection, which carries one answer.

    It is cut off when too much came, endless heads included, or too late, whoever still waits.
    """

    factory: _MeteringFactory
    received = 0

    def connectionMade(self) -> None:
        self._deadline = self.factory.reactor.callLater(ANSWER_SECONDS, self._abort)

    def dataReceived(self, data: bytes) -> None:
        self.received += len(data)
        if self.received > MAX_ANSWER_BYTES + MAX_FRAMING_BYTES:
            self._abort()
        else:
            super().dataReceived(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self._deadline.active():
            self._deadline.cancel()
        if self.received > MAX_ANSWER_BYTES + MAX_FRAMING_BYTES:
            reason = Failure(AnswerTooLargeError())
        super().connectionLost(reason)

    def _abort(self) -> None:
        cast(_AbortableTransport, self.transport).abortConnection()


class _MeteringFactory(WrappingFactory[_Meter]):
    noisy = False
    protocol = _Meter

    def __init__(self, wrapped: IProtocolFactory, reactor: IReactorTime) -> None:
        super().__init__(wrapped)
        self.reactor = reactor


@implementer(IStreamClientEndpoint)
class _MeteredEndpoint:
    def __init__(self, endpoint: IStreamClientEndpoint, reactor: IReactorTime) -> None:
        self._endpoint = endpoint
        self._reactor = reactor

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        connecting: Deferred[IProtocol] = self._endpoint.connect(
            _MeteringFactory(protocolFactory, self._reactor)
        )
        return connecting.addCallback(_unwrapped)


def _unwrapped(meter: IProtocol) -> IProtocol:
    inner: IProtocol = cast(_Meter, meter).wrappedProtocol
    return inner


@implementer(IAgentEndpointFactory)
class _MeteredEndpoints:
    def __init__(self, reactor: ClientReactor, trust: TrustRoots) -> None:
        self._reactor = reactor
        self._trust = trust

    def endpointForURI(self, uri: URI) -> IStreamClientEndpoint:
        host = uri.host.decode("ascii")
        endpoint = client_endpoint(self._reactor, host, uri.port, ANSWER_SECONDS)
        if uri.scheme == b"https":
            endpoint = wrapClientTLS(client_connection(host, self._trust), endpoint)
        return _MeteredEndpoint(endpoint, self._reactor)


@implementer(IBodyProducer)
class _WholeBody:
    """A body that is small enough to be written at once."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self.length = len(body)

    def startProducing(self, consumer: IConsumer) -> Deferred[None]:
        consumer.write(self._body)
        return succeed(None)

    def stopProducing(self) -> None:
        """Everything is written already."""

    pauseProducing = resumeProducing = stopProducing
