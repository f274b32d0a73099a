"""Resources of our own: a coroutine from request to reply on top of twisted.web."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web import server
from twisted.web.http import parse_qs
from twisted.web.resource import Resource

from ..model import ANONYMOUS, Identity, Reply, Request
from .errors import internal_error
from .render import INTERCEPTED, bare_reply, text_reply

log = Logger("pomerium.pages")

_HANDLERS = {b"GET": "get", b"HEAD": "get", b"POST": "post", b"OPTIONS": "options"}
_NO_LENGTH = (204, 304)
"""Statuses without content: a Content-Length of 0 would be wrong (RFC 9110 §8.6)."""


class OwnRequest(server.Request):
    """A request that we answer ourselves, with what the data path already knows of it.

    Twisted itself is told the method and the body alone: of target, headers, cookies and forms it would keep
    copies, and take them apart at a cost that the client sets.
    """

    incoming: Request
    """The normalised request; resources read this: their paths, headers and cookies are here alone."""
    form: bytes = b""
    """The body, where it is a URL-encoded form."""
    identity: Identity = ANONYMOUS

    @cached_property
    def parameters(self) -> Mapping[bytes, list[bytes]]:
        """Those of the query and of the form together; decoded only for a page that asks."""
        found: dict[bytes, list[bytes]] = parse_qs(
            b"&".join((self.incoming.target.query or b"", self.form)), keep_blank_values=True
        )
        return found

    def parameter(self, name: str) -> str:
        """A query or form parameter that must occur once: "" when absent, repeated or not UTF-8."""
        values = self.parameters.get(name.encode(), [])
        try:
            return values[0].decode() if len(values) == 1 else ""
        except UnicodeDecodeError:
            return ""


class Page(Resource):
    """A leaf that answers with a :class:`Reply`. Override :meth:`get`, :meth:`post` or :meth:`options`.

    HEAD is GET without its body. A method that is not overridden answers 405. An exception answers 500 with
    the request id; the traceback goes to the log alone. A client that leaves cancels the coroutine.
    """

    isLeaf = True

    def __init__(self) -> None:
        super().__init__()

    async def get(self, _request: OwnRequest, /) -> Reply:
        return self.method_not_allowed()

    async def post(self, _request: OwnRequest, /) -> Reply:
        return self.method_not_allowed()

    async def options(self, _request: OwnRequest, /) -> Reply:
        return self.method_not_allowed()

    @property
    def allowed(self) -> tuple[str, ...]:
        """The methods that this page answers."""
        overridden = [
            name for name in _HANDLERS.values() if getattr(type(self), name) is not getattr(Page, name)
        ]
        return tuple(method.decode("ascii") for method, name in _HANDLERS.items() if name in overridden)

    def method_not_allowed(self) -> Reply:
        """405 with the methods that would do."""
        allow = ", ".join(self.allowed)
        advice = f"Method Not Allowed: this address answers {allow}\n"
        return text_reply(advice, 405, headers=((b"Allow", allow.encode("ascii")),))

    def failed(self, request: OwnRequest) -> Reply:
        """What a visitor sees after an unexpected exception."""
        return internal_error(request.incoming)

    def render(self, request: OwnRequest) -> int:
        name = _HANDLERS.get(request.method)
        if name is None:
            write_reply(request, self.method_not_allowed())
        else:
            self._answer(request, Deferred.fromCoroutine(getattr(self, name)(request)))
        return server.NOT_DONE_YET

    def _answer(self, request: OwnRequest, waiting: Deferred[Reply]) -> None:
        gone: list[Failure] = []

        def left(reason: Failure) -> None:
            gone.append(reason)
            waiting.cancel()

        def failed(failure: Failure) -> Reply | None:
            if gone and isinstance(failure.value, CancelledError):
                # Its frames hold it and the request: those are freed now, and not by some garbage collection.
                failure.cleanFailure()
                return None
            self._log_failure(request, failure)
            return self.failed(request)

        def answer(reply: Reply | None) -> None:
            if reply is not None and not gone:
                write_reply(request, reply)

        def failed_again(failure: Failure) -> None:
            self._log_failure(request, failure)
            if gone or request.startedWriting:
                request.loseConnection()
            else:
                write_reply(request, bare_reply(500, f"request id {request.incoming.id}"))

        request.notifyFinish().addErrback(left)
        waiting.addErrback(failed).addCallback(answer).addErrback(failed_again)

    @staticmethod
    def _log_failure(request: OwnRequest, failure: Failure) -> None:
        path, request_id = request.incoming.target.path, request.incoming.id
        log.failure("page {path} failed", failure, path=path, request_id=request_id)


def write_reply(request: server.Request, reply: Reply) -> None:
    """Send a whole reply through twisted.web, redirects and errors marked as ours (spec/identity §5.6)."""
    request.setResponseCode(reply.status)
    for default in (b"content-type", b"server"):  # Twisted's: a guess, and its version
        request.responseHeaders.removeHeader(default)
    for name, value in reply.headers:
        request.responseHeaders.addRawHeader(name, value)
    if reply.status >= 300 and not request.responseHeaders.hasHeader(INTERCEPTED[0]):
        request.responseHeaders.addRawHeader(*INTERCEPTED)
    if reply.status not in _NO_LENGTH:
        request.responseHeaders.setRawHeaders(b"Content-Length", [b"%d" % len(reply.body)])
        if request.method != b"HEAD":
            request.write(reply.body)
    request.finish()
