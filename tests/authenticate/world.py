"""A whole installation in memory, and browsers that keep cookies; only the provider is on a socket."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode, urlsplit

from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.web.http_headers import Headers

from pomerium_tw.authenticate import (
    Conversation,
    Destinations,
    Keys,
    SignInLinks,
    route_host_resources,
    service_host_resources,
)
from pomerium_tw.databroker import SESSION, MemoryStore, Mirror
from pomerium_tw.identity import BoundedClient, IIdentityProvider, find_factory, provider_id
from pomerium_tw.model import ANONYMOUS, Head, Identity, Peer, Reply, Request, Secret, Target
from pomerium_tw.pages import OwnRequest, PathTree
from pomerium_tw.session import CALLER_RECORDS, CookieSettings, HandleCodec, Identities
from pomerium_tw.token import SignedURLs, subkey

from ..identity.openid_provider import CLIENT_ID, CLIENT_SECRET, OpenIdProvider

NOW = 1_800_000_000
AUTH = "https://auth.example.com"
APP = "https://app.example.com"
OTHER = "https://other.example.com:8443"
REQUEST_ID = "0197f3c2-8b1e-7d64-9a52-3f1f6a0c9d11"
NAVIGATION = {
    "accept": "text/html,application/xhtml+xml,*/*;q=0.8",
    "sec-fetch-mode": "navigate",
    "sec-fetch-dest": "document",
}


@dataclass(frozen=True)
class Answer:
    """What came back."""

    url: str
    status: int
    headers: Headers
    body: str

    @property
    def location(self) -> str:
        found = self.headers.getRawHeaders("location") or []
        assert len(found) == 1, f"{self.status} with {len(found)} Location headers: {self.body}"
        return found[0]

    @property
    def set_cookies(self) -> list[str]:
        return self.headers.getRawHeaders("set-cookie") or []

    @property
    def links(self) -> list[str]:
        return [link.replace("&amp;", "&") for link in re.findall(r'href="([^"]+)"', self.body)]

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class World:
    """One installation: the authenticate host and every route host, on a clock of its own."""

    clock: Clock
    op: OpenIdProvider
    reactor: Any
    signout_redirect_url: str = ""
    cookies: CookieSettings = field(default_factory=CookieSettings)
    routes: tuple[tuple[str, int | None], ...] = (("*.example.com", None), ("*.example.com", 8443))

    async def start(self) -> None:
        self.store = MemoryStore(self.clock)
        await self.store.start()
        self.mirror = Mirror(self.store, CALLER_RECORDS, self.clock)
        await self.mirror.start()
        self.idp_id, provider = self.build_provider()
        self.providers: dict[str, IIdentityProvider] = {self.idp_id: provider}
        self.rebuild()

    def build_provider(self, **settings: Any) -> tuple[str, IIdentityProvider]:
        factory = find_factory("oidc")
        values = {
            "kind": "oidc",
            "authenticate_url": AUTH,
            "url": self.op.issuer,
            "client_id": CLIENT_ID,
            "client_secret": CLIENT_SECRET,
            **settings,
        }
        model = factory.settings_model.model_validate(values)
        client = BoundedClient(self.reactor)
        return provider_id(model), factory.build(model, client, self.clock.seconds)

    def rebuild(self) -> None:
        shared, cookie = Secret(b"s" * 32), Secret(b"c" * 32)
        now = self.clock.seconds
        codec = HandleCodec(subkey(shared, "session-handle"))
        self.identities = Identities(self.mirror, codec, now)
        cookies = self.cookies.set_by("auth.example.com")
        self.conversation = Conversation(
            authenticate_url=AUTH,
            cookies=cookies,
            keys=Keys.derive(shared, cookie),
            urls=SignedURLs(subkey(shared, "signed-urls"), now),
            codec=codec,
            store=self.store,
            mirror=self.mirror,
            identities=self.identities,
            providers=self.providers,
            clock=self.clock,
            destinations=Destinations(self.routes, [8443], cookies.covers),
            signout_redirect_url=self.signout_redirect_url,
        )
        self.links = SignInLinks(self.conversation)
        self.service = PathTree(service_host_resources(self.conversation))
        self.route = PathTree(route_host_resources(self.conversation))

    def identity(self, request: Request) -> Identity:
        return self.identities.from_cookies(
            request.head, self.conversation.cookies.session_name(request.host), request.host, self.idp_id
        )

    async def serve(self, request: Request, form: Mapping[str, str]) -> tuple[int, Headers, str]:
        """What the proxy does, as far as this room is concerned."""
        if request.authority == urlsplit(AUTH).netloc:
            return await _render(self.service, request, form)
        if request.target.path.startswith("/.pomerium/"):
            return await _render(self.route, request, form)
        identity = self.identity(request)
        if identity is ANONYMOUS:
            return _plain(self.links.start(request, self.idp_id))
        return _plain(Reply(200, (), f"{identity.email} at {request.url}".encode()))

    def session_ids(self) -> list[str]:
        return sorted(self.mirror.records(SESSION))


@dataclass
class Browser:
    """Keeps cookies by host or ``.domain`` and path, and follows redirects when told to."""

    world: World
    jar: dict[tuple[str, str, str], str] = field(default_factory=dict)
    refused: str = ""
    also_refused: str = ""
    """Names of cookies that it never takes."""

    async def get(self, url: str, **headers: str) -> Answer:
        return await self._send("GET", url, {}, headers)

    async def post(self, url: str, form: Mapping[str, str] | None = None, **headers: str) -> Answer:
        return await self._send("POST", url, form or {}, headers)

    async def walk(self, url: str, **headers: str) -> Answer:
        """Follows our own redirects until there is none, or one leads away from us."""
        for _ in range(10):
            answer = await self.get(url, **headers)
            if answer.status != 302 or not answer.location.startswith("https://"):
                return answer
            url = answer.location
        raise AssertionError("a redirect loop")

    async def to_provider(self, url: str) -> str:
        """Opens a page and walks up to the provider; its address."""
        answer = await self.walk(url)
        assert answer.status == 302, answer.body
        return answer.location

    async def sign_in(self, url: str, subject: str = "alice") -> Answer:
        return await self.walk(self.world.op.authorize(await self.to_provider(url), subject))

    def cookie_header(self, host: str, path: str) -> str:
        found = [
            (cookie_path, f"{name}={value}")
            for (cookie_host, cookie_path, name), value in self.jar.items()
            if host == cookie_host or (cookie_host[0] == "." and f".{host}".endswith(cookie_host))
            if path.startswith(cookie_path)
        ]
        return "; ".join(pair for _, pair in sorted(found, key=lambda item: -len(item[0])))

    def cookie(self, host: str, name: str) -> str | None:
        return self.jar.get((host, "/", name))

    async def _send(
        self, method: str, url: str, form: Mapping[str, str], headers: Mapping[str, str]
    ) -> Answer:
        request = make_request(method, url, {**NAVIGATION, **headers})
        cookies = self.cookie_header(request.host, request.target.path)
        request = make_request(method, url, {**NAVIGATION, **headers}, cookies)
        status, answered, body = await self.world.serve(request, form)
        answer = Answer(url, status, answered, body)
        for line in answer.set_cookies:
            self._keep(request.host, line)
        return answer

    def _keep(self, host: str, line: str) -> None:
        pair, *attributes = line.split("; ")
        name, _, value = pair.partition("=")
        values = dict(item.partition("=")[::2] for item in attributes)
        assert "Secure" in values and "HttpOnly" in values, line
        domain = values.get("Domain", "")
        if name in (self.refused, self.also_refused):
            return
        if domain and not f".{host}".endswith(f".{domain}"):
            return
        assert not (name.startswith("__Host-") and domain), line
        key = (f".{domain}" if domain else host, values["Path"], name)
        if values["Max-Age"] == "0":
            self.jar.pop(key, None)
        else:
            self.jar[key] = value


def make_request(method: str, url: str, headers: Mapping[str, str], cookie: str = "") -> Request:
    parts = urlsplit(url)
    fields = {name.replace("_", "-"): value for name, value in headers.items() if value}
    head = Head(
        host=parts.hostname or "",
        port=parts.port,
        fields=tuple((name.encode(), value.encode()) for name, value in fields.items()),
        passed=b"",
        cookie=cookie.encode() or None,
    )
    query = parts.query.encode() if "?" in url else None
    target = Target(parts.path.encode() or b"/", parts.path or "/", query)
    return Request(REQUEST_ID, method, "https", target, head, Peer("192.0.2.7", 4711))


def _plain(reply: Reply) -> tuple[int, Headers, str]:
    headers = Headers()
    for name, value in reply.headers:
        headers.addRawHeader(name, value)
    return reply.status, headers, reply.body.decode()


@dataclass
class _Channel:
    """What a request of twisted.web writes to."""

    done: Deferred[None] = field(default_factory=Deferred)
    site: Any = None
    factory: Any = None
    status: int = 0
    headers: Headers = field(default_factory=Headers)
    body: bytes = b""

    @property
    def transport(self) -> _Channel:
        return self

    def getPeer(self) -> IPv4Address:
        return IPv4Address("TCP", "192.0.2.7", 4711)

    getHost = getPeer

    def writeHeaders(self, version: bytes, code: bytes, reason: bytes, headers: Headers) -> None:
        self.status, self.headers = int(code), headers

    def write(self, data: bytes) -> None:
        self.body += data

    def requestDone(self, request: OwnRequest) -> None:
        self.done.callback(None)

    def loseConnection(self) -> None:
        raise AssertionError("the page failed twice")


async def _render(tree: PathTree, request: Request, form: Mapping[str, str]) -> tuple[int, Headers, str]:
    channel = _Channel()
    made = OwnRequest(channel, parsePOSTFormSubmission=False)
    made.incoming = request
    made.form = urlencode(form).encode()
    made.method, made.uri, made.path = request.method.encode(), request.target.raw, request.target.raw_path
    made.clientproto = b"HTTP/1.1"
    tree.find(request.target.path).render(made)
    await channel.done
    return channel.status, channel.headers, channel.body.decode()
