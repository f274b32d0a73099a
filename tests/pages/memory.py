"""Requests made by hand, and resources driven in memory: no socket, no reactor."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from twisted.internet.address import IPv4Address
from twisted.python.failure import Failure
from twisted.web.http_headers import Headers
from twisted.web.resource import IResource, getChildForRequest

from pomerium_tw.model import ANONYMOUS, Head, Identity, Peer, Reply, Request, Session, Target, User
from pomerium_tw.pages import OwnRequest

NOW = 1_800_000_000.0
REQUEST_ID = "0197f3c2-8b1e-7d64-9a52-3f1f6a0c9d11"
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"


def incoming(
    path: str = "/",
    *,
    query: str | None = None,
    method: str = "GET",
    host: str = "app.example.com",
    upgrade: str = "",
    **headers: str,
) -> Request:
    """A request as the edge makes it; header names are written with ``_`` for ``-``."""
    fields = tuple((name.replace("_", "-").encode(), value.encode()) for name, value in headers.items())
    head = Head(host=host, port=None, fields=fields, passed=b"", upgrade=upgrade.encode() or None)
    target = Target(path.encode(), path, None if query is None else query.encode())
    return Request(REQUEST_ID, method, "https", target, head, Peer("192.0.2.7", 4711))


def signed_in(*, name: str = "Ada", email: str = "ada@example.com", **claims: Any) -> Identity:
    """Somebody with a session that ends fourteen hours after :data:`NOW`."""
    flat = {key: value if isinstance(value, tuple) else (value,) for key, value in claims.items()}
    session = Session("session-1", "user-1", "idp", NOW - 60, NOW + 14 * 3600, flat)
    return Identity(session, User("user-1", name, email))


def headers_of(reply: Reply) -> dict[str, str]:
    return {name.decode().lower(): value.decode() for name, value in reply.headers}


def json_of(reply: Reply) -> Any:
    assert headers_of(reply)["content-type"] == "application/json"
    return json.loads(reply.body)


@dataclass
class Channel:
    """What an ``OwnRequest`` writes to: keeps the answer."""

    site: Any = None
    factory: Any = None
    status: int = 0
    headers: Headers = field(default_factory=Headers)
    body: bytes = b""
    done: bool = False
    lost: bool = False

    @property
    def transport(self) -> Channel:
        return self

    def getPeer(self) -> IPv4Address:
        return IPv4Address("TCP", "192.0.2.7", 4711)

    def getHost(self) -> IPv4Address:
        return IPv4Address("TCP", "192.0.2.1", 443)

    def writeHeaders(self, version: bytes, code: bytes, reason: bytes, headers: Headers) -> None:
        self.status, self.headers = int(code), headers

    def write(self, data: bytes) -> None:
        self.body += data

    def requestDone(self, request: OwnRequest) -> None:
        self.done = True

    def loseConnection(self) -> None:
        self.lost = True

    def header(self, name: str) -> str | None:
        values = self.headers.getRawHeaders(name)
        assert values is None or len(values) == 1, f"{name} is sent {len(values)} times"
        return values[0] if values else None


def own_request(request: Request, identity: Identity = ANONYMOUS) -> tuple[OwnRequest, Channel]:
    channel = Channel()
    made = OwnRequest(channel, parsePOSTFormSubmission=False)
    made.incoming, made.identity = request, identity
    made.method, made.uri, made.path = request.method.encode(), request.target.raw, request.target.raw_path
    made.clientproto = b"HTTP/1.1"
    made.prepath, made.postpath = [], request.target.raw_path[1:].split(b"/")
    return made, channel


def drive(
    resource: IResource,
    request: Request,
    identity: Identity = ANONYMOUS,
    prepare: Callable[[OwnRequest], None] = lambda request: None,
) -> Channel:
    """Finds and renders ``resource`` as twisted.web does; returns what was answered."""
    made, channel = own_request(request, identity)
    prepare(made)
    getChildForRequest(resource, made).render(made)
    return channel


def leave(request: OwnRequest) -> None:
    """The client is gone."""
    request.connectionLost(Failure(ConnectionError("gone")))
