"""The application behind the proxy: shows what arrived and says whether the proxy's proof holds."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.http import Request as HTTPRequest
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request

from pomerium_tw.verify import Assertion, AssertionVerifier, VerificationError

from .web import QuietSite, Tree, assets, html, json_answer

log = Logger("pomerium.demo")

ASSERTION_HEADER = "X-Pomerium-Jwt-Assertion"

_SHOWN = 12
"""Characters shown of a header that holds a token."""

_TOKENS = frozenset({"authorization", "cookie", "x-pomerium-jwt-assertion", "x-pomerium-jwt-assertion-for"})


class RunInThread(Protocol):
    """Calls a blocking function elsewhere; fires with what it gives."""

    def __call__(self, function: Callable[[str], Assertion], token: str, /) -> Deferred[Assertion]: ...


@dataclass(frozen=True, slots=True)
class Identity:
    """Who is asking, as the page and the JSON show it."""

    user_id: str
    email: str
    name: str
    groups: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Verdict:
    """Everything that the page and ``/json`` say about one request."""

    verified: bool
    reason: str
    """Why not; "" when verified."""
    anonymous: bool
    host: str
    method: str
    path: str
    jwks_url: str
    identity: Identity | None
    claims: Mapping[str, Any]
    headers: Sequence[tuple[str, str]] = field(default=())
    """Name and value as received; tokens shortened."""


class VerifyPage(Resource):
    """Any path: verifies the assertion of the request and shows the verdict."""

    isLeaf = True

    def __init__(
        self,
        verifiers: Mapping[str, AssertionVerifier],
        run_in_thread: RunInThread,
        render: Callable[[Request, Verdict], bytes],
    ) -> None:
        """``verifiers`` by host: an assertion is only looked at for hosts that we know we serve."""
        super().__init__()
        self._verifiers = verifiers
        self._run_in_thread = run_in_thread
        self._render = render

    def render_GET(self, request: Request) -> int:
        work = Deferred.fromCoroutine(self._answer(request))
        request.notifyFinish().addErrback(lambda _gone: work.cancel())
        work.addErrback(_log_failure, request)
        return NOT_DONE_YET

    render_POST = render_GET

    async def _answer(self, request: Request) -> None:
        body = self._render(request, await self._judge(request))
        request.setHeader("Content-Length", str(len(body)))
        if request.method != b"HEAD":
            request.write(body)
        request.finish()

    async def _judge(self, request: Request) -> Verdict:
        host = original_host(request)
        verifier = self._verifiers.get(host)
        if verifier is None:
            problem = f"the request is for {host!a}, which this application does not serve"
            return _verdict(request, host, "", None, problem)
        try:
            token = _only(request, ASSERTION_HEADER)
            assertion = await self._run_in_thread(verifier.verify, token)
        except VerificationError as error:
            return _verdict(request, host, verifier.jwks_url, None, error.reason)
        return _verdict(request, host, verifier.jwks_url, assertion, "")


def make_verify_app(
    hosts: Mapping[str, str], run_in_thread: RunInThread, ca_file: str | None = None
) -> QuietSite:
    """The application as a Site.

    ``hosts`` gives for each host name the public URL whose well-known JWKS is asked for keys; verifying
    blocks on that fetch, which comes back through our own front door: ``run_in_thread`` must leave the
    reactor free.
    """
    verifiers = {
        host: AssertionVerifier(host, jwks_url=f"{url}/.well-known/pomerium/jwks.json", ca_file=ca_file)
        for host, url in hosts.items()
    }
    page = VerifyPage(verifiers, run_in_thread, _page)
    root = _Root(page)
    root.putChild(b"", page)
    root.putChild(b"json", VerifyPage(verifiers, run_in_thread, _json))
    root.putChild(b"assets", assets())
    return QuietSite(root)


class _Root(Tree):
    """A tree whose unknown paths are all one page, but for what browsers ask on their own."""

    def __init__(self, page: Resource) -> None:
        super().__init__()
        self._page = page

    def getChild(self, path: bytes, request: HTTPRequest) -> Resource:
        return super().getChild(path, request) if path == b"favicon.ico" else self._page


def original_host(request: Request) -> str:
    """The host that the browser asked for, without port: the audience of a good assertion.

    The proxy writes X-Forwarded-Host itself; a lie in it gains nothing, as the signature covers the audience.
    """
    forwarded = request.requestHeaders.getRawHeaders("X-Forwarded-Host", [])
    text = forwarded[-1] if forwarded else request.getHeader("Host") or ""
    return text.rpartition(",")[2].strip().partition(":")[0].lower()


def _only(request: Request, name: str) -> str:
    """A header's value, "" when absent. Raises VerificationError when it came twice."""
    values = request.requestHeaders.getRawHeaders(name, [])
    if len(values) > 1:
        raise VerificationError(f"the header {name} came more than once")
    return values[0] if values else ""


def _verdict(request: Request, host: str, jwks_url: str, assertion: Assertion | None, reason: str) -> Verdict:
    return Verdict(
        verified=assertion is not None,
        reason=reason,
        anonymous=assertion is not None and assertion.anonymous,
        host=host,
        method=request.method.decode("ascii", "replace"),
        path=request.path.decode("ascii", "replace"),
        jwks_url=jwks_url,
        identity=_identity(assertion) if assertion else None,
        claims=dict(assertion.claims) if assertion else {},
        headers=[
            (name.decode("latin-1"), _shortened(name, value))
            for name, values in sorted(request.requestHeaders.getAllRawHeaders())
            for value in values
        ],
    )


def _identity(assertion: Assertion) -> Identity:
    return Identity(assertion.user_id, assertion.email, assertion.name, assertion.groups)


def _shortened(name: bytes, value: bytes) -> str:
    """A header's value; of one that holds a token only so much that one sees it is there."""
    text = value.decode("utf-8", "backslashreplace")
    if name.decode("latin-1").lower() not in _TOKENS or len(text) <= _SHOWN:
        return text
    return f"{text[:_SHOWN]}… ({len(text)} characters)"


def _page(request: Request, verdict: Verdict) -> bytes:
    claims = {
        name: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        for name, value in verdict.claims.items()
    }
    return html(request, "verify.html", verdict=verdict, claims=claims)


def _json(request: Request, verdict: Verdict) -> bytes:
    return json_answer(
        request, {**asdict(verdict), "verdict": "verified" if verdict.verified else "not verified"}
    )


def _log_failure(failure: Failure, request: Request) -> None:
    """The request boundary: a bug or a lost thread is a 500, a browser that went away is nothing."""
    if failure.check(CancelledError):
        return
    log.failure("the verify app failed", failure)
    request.setResponseCode(500)
    request.finish()
