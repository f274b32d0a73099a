"""What the demo's two web applications share: bounded requests, pages without inline anything, assets."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib import resources
from typing import Any, cast

from jinja2 import Environment, PackageLoader, StrictUndefined
from twisted.python.failure import Failure
from twisted.web.http import Request as HTTPRequest
from twisted.web.pages import notFound
from twisted.web.resource import Resource
from twisted.web.server import Request, Site

MAX_BODY = 65_536
"""Bytes of a request body; forms here are a few hundred."""

_CONTENT_SECURITY_POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data: https:; font-src 'self'; "
    "connect-src 'self'; form-action {form_action}; base-uri 'none'; frame-ancestors 'none'"
)
"""``form_action`` grows where a form ends in a redirect: browsers apply it to the whole chain."""

_ASSET_TYPES = {".css": "text/css; charset=utf-8", ".svg": "image/svg+xml"}

_templates = Environment(
    loader=PackageLoader("pomerium_tw.demo"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


class BoundedRequest(Request):
    """A request whose body is kept up to :data:`MAX_BODY` bytes; what is larger is answered with 413."""

    _received = 0

    def handleContentChunk(self, data: bytes) -> None:
        """Twisted's hook for each piece of the body."""
        self._received += len(data)
        if self._received <= MAX_BODY:
            super().handleContentChunk(data)

    def process(self) -> None:
        """Twisted's hook for the complete request."""
        if self._received > MAX_BODY:
            self.setResponseCode(413)
            self.setHeader(b"Connection", b"close")
            self.finish()
            return
        super().process()

    def processingFailed(self, reason: Failure) -> Failure:
        """Answer a bug with a bare 500, and let the log have the traceback."""
        self.setHeader(b"Cache-Control", b"no-store")
        return super().processingFailed(reason)  # type: ignore[no-any-return]  # untyped in Twisted


class QuietSite(Site):
    """A Site without an access log: the proxy in front of it keeps one, and codes must be in none."""

    requestFactory = BoundedRequest
    displayTracebacks = False

    def log(self, request: HTTPRequest) -> None:
        """Say nothing."""


def html(
    request: Request, template: str, status: int = 200, *, form_targets: str = "", **values: Any
) -> bytes:
    """Render a page and set everything that belongs to it; gives the body.

    ``form_targets`` are origins, separated by blanks, that a form on the page may end at beside our own.
    """
    request.setResponseCode(status)
    policy = _CONTENT_SECURITY_POLICY.format(form_action=f"'self' {form_targets}".strip())
    _private(request, "text/html; charset=utf-8")
    request.setHeader("Content-Security-Policy", policy)
    request.setHeader("Referrer-Policy", "same-origin")
    request.setHeader("Cross-Origin-Opener-Policy", "same-origin")
    return _templates.get_template(template).render(**values).encode()


def json_answer(
    request: Request, value: Mapping[str, Any], status: int = 200, *, max_age: int | None = None
) -> bytes:
    """Set up a JSON answer and give its body; not to be stored unless ``max_age`` (seconds) is given."""
    request.setResponseCode(status)
    _private(request, "application/json")
    if max_age is not None:
        request.setHeader("Cache-Control", f"max-age={max_age}")
    return json.dumps(value, indent=2).encode() + b"\n"


def see_other(request: Request, location: str) -> bytes:
    """Redirect with a GET (RFC 9110 §15.4.4). ``location`` is a URL that we built or that was registered."""
    request.setResponseCode(303)
    _private(request, "text/plain; charset=utf-8")
    request.setHeader("Location", location)
    return b""


def _private(request: Request, content_type: str) -> None:
    request.setHeader("Content-Type", content_type)
    request.setHeader("Cache-Control", "no-store")
    request.setHeader("X-Content-Type-Options", "nosniff")


class Tree(Resource):
    """Children by name; anything else is a plain 404."""

    def getChild(self, _path: bytes, request: HTTPRequest) -> Resource:
        request.setHeader("Cache-Control", "no-store")
        return cast(Resource, notFound())  # an IResource, which is all that Site asks of a child


def assets() -> Resource:
    """The tree ``/assets/``: style sheet and icon, read once."""
    tree = Tree()
    for entry in resources.files("pomerium_tw.demo").joinpath("assets").iterdir():
        suffix = entry.name[entry.name.rfind(".") :]
        if suffix in _ASSET_TYPES:
            tree.putChild(entry.name.encode(), _Asset(entry.read_bytes(), _ASSET_TYPES[suffix]))
    return tree


class _Asset(Resource):
    isLeaf = True

    def __init__(self, body: bytes, content_type: str) -> None:
        super().__init__()
        self._body = body
        self._type = content_type

    def render_GET(self, request: Request) -> bytes:
        request.setHeader("Content-Type", self._type)
        request.setHeader("Cache-Control", "max-age=300")
        request.setHeader("X-Content-Type-Options", "nosniff")
        return self._body
