"""Answering by twisted.web resources: an exchange dressed as the channel of a twisted.web Request."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IAddress, ITransport
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.http_headers import Headers
from twisted.web.resource import IResource, getChildForRequest
from zope.interface import implementer

from ..model import Head
from ..pages import OwnRequest, bare_reply, media_type
from .exchange import IExchange
from .finish import Finish, status_line

if TYPE_CHECKING:
    from twisted.internet.interfaces import IPushProducer

log = Logger("pomerium.proxy")

MAX_OWN_BODY = 64 * 1024
"""Longest body that our own pages read: forms and small JSON."""
MAX_PARAMETERS = 100
"""Parameters in the query for a page of ours, and in the form it is sent; with more it answers 400 unread."""


class _Site:
    """What a twisted.web Request asks of its site."""

    displayTracebacks = False

    def __init__(self, root: IResource) -> None:
        self.resource = root

    def getResourceFor(self, request: OwnRequest) -> IResource:
        request.prepath = []
        found: IResource = getChildForRequest(self.resource, request)
        return found


@implementer(ITransport)
class ResourceChannel:
    """Carries one twisted.web Request over one exchange. Takes the request's body too, up to a limit."""

    def __init__(self, exchange: IExchange, root: IResource, finish: Finish) -> None:
        self.site = _Site(root)
        self._exchange = exchange
        self._finish = finish
        self._body: list[bytes] = []
        self._size = 0
        self._ended = False
        self._request: OwnRequest | None = None

    @property
    def transport(self) -> ResourceChannel:
        # No attribute: a channel that held itself would keep the whole exchange until a garbage collection.
        return self

    # -- the request's body

    def body_data(self, data: bytes) -> None:
        self._size += len(data)
        if self._size <= MAX_OWN_BODY:
            self._body.append(data)
        else:
            self._body.clear()
            _too_large(self._exchange, self._finish)

    def body_end(self) -> None:
        try:
            self._render()
        except Exception:
            log.failure("request failed", request_id=self._exchange.request.id)
            self._finish.internal_error(self._exchange)

    def _render(self) -> None:
        exchange = self._exchange
        incoming = exchange.request
        body = b"".join(self._body)
        form = body if incoming.method == "POST" and _is_form(incoming.head) else b""
        if _too_many(form):
            _refuse_parameters(exchange, self._finish)
            return
        request = self._request = OwnRequest(self, parsePOSTFormSubmission=False)
        request.incoming = incoming
        request.identity = exchange.identity
        request.form = form
        request.gotLength(len(body))
        request.handleContentChunk(body)
        # Not HTTP/1.1: framing the answer is the exchange's business, not the request's. No path: resources
        # are found by that of ``incoming``.
        request.requestReceived(incoming.method.encode(), b"/", b"HTTP/2")

    def exchange_lost(self) -> None:
        request, self._request = self._request, None
        if request is not None:
            request.connectionLost(Failure(ConnectionDone()))

    # -- what twisted.web.http.Request calls on its channel

    def writeHeaders(self, _version: bytes, code: bytes, _reason: bytes, headers: Any) -> None:
        if isinstance(headers, Headers):
            headers = headers.getAllRawHeaders()
        else:
            headers = [(name, [value]) for name, value in headers]
        own: list[tuple[bytes, bytes]] = []
        sized = False
        for name, values in headers:
            lower = name.lower()
            sized = sized or lower == b"content-length"
            if lower not in (b"date", b"server", b"transfer-encoding", b"connection"):
                own += [(name, value) for value in values]
        lines = self._finish.own_lines(self._exchange, own)
        self._exchange.details = "own_page"
        status = int(code)
        self._exchange.send_head(status, status_line(status), lines, chunked=not sized)

    def write(self, data: bytes) -> None:
        self._exchange.send_data(data)

    def writeSequence(self, data: Iterable[bytes]) -> None:
        self.write(b"".join(data))

    def requestDone(self, _request: OwnRequest) -> None:
        self._request = None
        if not self._ended:
            self._ended = True
            self._exchange.send_end()

    def registerProducer(self, producer: IPushProducer, _streaming: bool) -> None:
        self._exchange.throttle(producer)

    def unregisterProducer(self) -> None:
        self._exchange.unthrottle()

    def getPeer(self) -> IAddress:
        address, port = self._exchange.request.peer
        return IPv6Address("TCP", address, port) if ":" in address else IPv4Address("TCP", address, port)

    def getHost(self) -> IAddress:
        return IPv4Address("TCP", "0.0.0.0", 0)  # noqa: S104 - an answer for logs, nothing is bound

    def isSecure(self) -> bool:
        return self._exchange.request.scheme == "https"

    def loseConnection(self) -> None:
        self._exchange.reset()

    def abortConnection(self) -> None:
        self._exchange.reset()


class Serve:
    """Outcome of a step: let a twisted.web resource tree of ours answer."""

    __slots__ = ("root",)

    def __init__(self, root: IResource) -> None:
        self.root = root

    def carry_out(self, exchange: IExchange, finish: Finish) -> None:
        """The body is read first, in full, up to MAX_OWN_BODY."""
        request = exchange.request
        if (request.head.content_length or 0) > MAX_OWN_BODY:
            _too_large(exchange, finish)
        elif _content_type(request.head).startswith("multipart/"):
            finish.reply(
                exchange, bare_reply(415, "forms are taken URL-encoded only"), "unsupported_media_type"
            )
        elif _too_many(request.target.query or b""):
            _refuse_parameters(exchange, finish)
        else:
            exchange.attend(ResourceChannel(exchange, self.root, finish))
            exchange.read_body()


def _content_type(head: Head) -> str:
    return media_type(head.get(b"content-type"))


def _is_form(head: Head) -> bool:
    return _content_type(head) == "application/x-www-form-urlencoded"


def _too_many(encoded: bytes) -> bool:
    """Whether this text holds more than MAX_PARAMETERS: both ``&`` and ``;`` stand between them."""
    return encoded.count(b"&") + encoded.count(b";") >= MAX_PARAMETERS


def _refuse_parameters(exchange: IExchange, finish: Finish) -> None:
    finish.reply(exchange, bare_reply(400, "too many parameters"), "too_many_parameters")


def _too_large(exchange: IExchange, finish: Finish) -> None:
    finish.reply(exchange, bare_reply(413, "the form is too large"), "request_payload_too_large")
