"""The listener for plain HTTP that only says: come by HTTPS (spec/proxy §3.11, ``http_redirect_addr``)."""

from __future__ import annotations

from collections.abc import Callable
from email.utils import formatdate
from html import escape
from typing import Any

from twisted.internet.interfaces import IAddress, IReactorTime
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure

from ..model import Head, Request, Target
from ..telemetry import AccessLog
from .admission import Admission
from .client_address import own_peer
from .generation import Timeouts
from .head import HeadError, incomplete_fault, parse_head
from .header_names import HeadRules
from .refusal import refusal
from .sweep import Sweep
from .target import TargetRules, parse_request_line, parse_target
from .unrouted import HTTPS_REDIRECT, Unrouted, refused, understood

REDIRECT_LINGER_SECONDS = 5.0
"""Longest that a client may take to read where to go and to close."""

_AS_SENT = TargetRules(normalize_path=False, merge_slashes=False, escaped_slashes="keep_unchanged")
"""The client asks again, and is read by the rules of the other listener then."""
_NAMES = HeadRules(underscores="drop_header")


class RedirectListener(Factory):
    """One request a connection, answered by a redirect; none of the configured headers are sent here."""

    noisy = False

    def __init__(
        self,
        clock: IReactorTime,
        sweep: Sweep,
        admission: Admission,
        timeouts: Timeouts,
        *,
        access_log: AccessLog,
        new_request_id: Callable[[], str],
    ) -> None:
        """``admission``, ``access_log`` and ``new_request_id``: shared with the other listeners."""
        self.now = clock.seconds
        self.access_log = access_log
        self.new_request_id = new_request_id
        self.timeouts = timeouts
        """Those of the present generation."""
        self._sweep = sweep
        self._admission = admission
        self._connections: dict[RedirectConnection, str] = {}

    def buildProtocol(self, addr: IAddress | None) -> RedirectConnection | None:
        host = getattr(addr, "host", "")
        return RedirectConnection(self, host) if self._admission.admits(host) else None

    def opened(self, connection: RedirectConnection, host: str) -> None:
        self._admission.opened(host)
        self._connections[connection] = host
        self._sweep.add(connection)

    def lost(self, connection: RedirectConnection) -> None:
        host = self._connections.pop(connection, None)
        if host is not None:
            self._admission.lost(host)
        self._sweep.discard(connection)

    def abort(self) -> None:
        """End every connection at once: none has anything that matters under way."""
        for connection in tuple(self._connections):
            connection.abort()


class RedirectConnection(Protocol):
    """One client that came without TLS."""

    def __init__(self, listener: RedirectListener, host: str) -> None:
        self._listener = listener
        self._host = host
        self._buffer = b""
        self._answered = False
        self.deadline = 0.0
        """When the sweep ends this connection (seconds since the epoch)."""

    def connectionMade(self) -> None:
        self._listener.opened(self, self._host)
        self._peer = own_peer(self.transport)
        self.deadline = self._listener.timeouts.head_due(self._listener.now())

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: ARG002 (Twisted's signature)
        self._listener.lost(self)

    def dataReceived(self, data: bytes) -> None:
        if self._answered:
            return  # read away, so that the answer is not lost to a reset (RFC 9112 §9.6)
        seen = len(self._buffer)
        self._buffer += data
        end = self._buffer.find(b"\r\n\r\n", max(0, seen - 3))
        try:
            fault = incomplete_fault(self._buffer[: end + 4] if end >= 0 else self._buffer, seen)
            if fault is not None:
                raise fault
            if end >= 0:
                self._redirect(*_read(self._buffer[: end + 2]))
            elif not self._listener.timeouts.head:
                # Only silence is waited out.
                self.deadline = self._listener.timeouts.head_due(self._listener.now())
        except HeadError as error:
            self._refuse(error)

    def expired(self, now: float) -> None:  # noqa: ARG002 (Waiting's signature)
        """The sweep found the deadline passed."""
        if self._answered or not self._buffer:
            self.abort()
        else:
            self._refuse(HeadError(408, "the request head took too long to arrive"))

    def abort(self) -> None:
        transport: Any = self.transport
        transport.abortConnection()

    def _redirect(self, method: str, target: Target, head: Head) -> None:
        request_id, now = self._listener.new_request_id(), self._listener.now()
        request = Request(request_id, method, "http", target, head, self._peer)
        answer = _redirection(request, _lines(request_id, now))
        self._answer(answer, now)
        self._listener.access_log.record(Unrouted(request, 301, HTTPS_REDIRECT, answer, now), now)

    def _refuse(self, error: HeadError) -> None:
        request_id, now = self._listener.new_request_id(), self._listener.now()
        answer = refusal(error, _lines(request_id, now), self._buffer)
        self._answer(answer, now)
        request = understood(error, request_id, "http", self._peer)
        self._listener.access_log.record_refused(refused(error, request, answer, now), now)

    def _answer(self, answer: bytes, now: float) -> None:
        self._answered = True
        self._buffer = b""
        self.deadline = now + REDIRECT_LINGER_SECONDS
        transport: Any = self.transport
        transport.write(answer)
        transport.loseWriteConnection()


def _lines(request_id: str, now: float) -> bytes:
    """Header lines of every answer."""
    return f"Date: {formatdate(now, usegmt=True)}\r\nX-Request-Id: {request_id}\r\n".encode("ascii")


def _read(block: bytes) -> tuple[str, Target, Head]:
    """A request's head; ``block`` is without the blank line. Raises HeadError."""
    line, _, fields = block.removeprefix(b"\r\n").partition(b"\r\n")
    method, raw = parse_request_line(line)
    head = None
    try:
        head = parse_head(fields, _NAMES)
        target = parse_target(method, raw, head, _AS_SENT)
        if raw == b"*":
            raise HeadError(400, "the address is neither a path nor a URL")
    except HeadError as error:
        error.method, error.head = method, head
        raise
    return method, target, head


def _redirection(request: Request, lines: bytes) -> bytes:
    """The whole answer. ``lines``: further header lines of it."""
    head, target = request.head, request.target
    location = b"https://" + head.host.encode("ascii") + target.raw
    body = b'<a href="%b">Moved Permanently</a>.\n' % escape(location.decode("ascii")).encode("ascii")
    return (
        b"HTTP/1.1 301 Moved Permanently\r\nConnection: close\r\nLocation: %b\r\n"
        b"Content-Type: text/html; charset=utf-8\r\nContent-Length: %d\r\n%b\r\n%b"
    ) % (location, len(body), lines, b"" if request.method == "HEAD" else body)
