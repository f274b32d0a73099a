"""A provider on a real loopback socket, and a browser and a client small enough to misuse."""

from __future__ import annotations

import base64
import hashlib
import html
import itertools
import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
import pytest_twisted
import treq
from treq.client import HTTPClient
from twisted.internet import reactor
from twisted.internet.task import Clock
from twisted.web.client import Agent
from twisted.web.http_headers import Headers
from twisted.web.server import Site

from pomerium_tw.demo.idp import DEMO_ACCOUNTS, Client, make_identity_provider, make_signing_key
from pomerium_tw.model import Secret

NOW = 1_900_000_000.0
CALLBACK = "https://authenticate.example/oauth2/callback?tenant=a"
AFTER = "https://authenticate.example/.pomerium/signed_out"
ISSUER = "http://idp.example"
ADMIN, MEMBER, OUTSIDER = DEMO_ACCOUNTS
VERIFIER = "v" * 43
SIGNING_KEY = make_signing_key()


def challenge_of(verifier: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def counted() -> Any:
    """Random bytes that never repeat and are the same in every run."""
    numbers = itertools.count(1)
    return lambda size: hashlib.shake_256(str(next(numbers)).encode()).digest(size)


@dataclass
class Answer:
    """A response, read."""

    status: int
    headers: Headers
    text: str

    def header(self, name: str) -> str:
        return (self.headers.getRawHeaders(name) or [""])[0]

    @property
    def location(self) -> str:
        return self.header("Location")

    @property
    def sent_home(self) -> dict[str, str]:
        """Parameters of the redirect."""
        return dict(parse_qsl(urlsplit(self.location).query))


@dataclass
class Browser:
    """Keeps cookies, follows nothing."""

    port: int
    cookies: dict[str, str] = field(default_factory=dict)
    set_cookies: list[str] = field(default_factory=list)

    async def send(
        self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> Answer:
        sent = Headers({name: [value] for name, value in (headers or {}).items()})
        if self.cookies:
            sent.setRawHeaders(
                "Cookie", ["; ".join(f"{name}={value}" for name, value in self.cookies.items())]
            )
        client = HTTPClient(Agent(reactor))
        url = f"http://127.0.0.1:{self.port}{path}"
        response = await client.request(method, url, headers=sent, data=body, allow_redirects=False)
        answer = Answer(response.code, response.headers, await treq.text_content(response, "utf-8"))
        for line in response.headers.getRawHeaders("Set-Cookie") or []:
            self.set_cookies.append(line)
            name, _, value = line.partition(";")[0].partition("=")
            self.cookies[name] = value
        return answer

    async def get(self, path: str, **parameters: str) -> Answer:
        return await self.send("GET", f"{path}?{urlencode(parameters)}" if parameters else path)

    async def post(self, path: str, headers: dict[str, str] | None = None, **fields: str) -> Answer:
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        return await self.send("POST", path, urlencode(fields).encode(), {**kind, **(headers or {})})


def form_of(page: str) -> str:
    """The hidden field of a form."""
    found = re.search(r'name="form" value="([^"]+)"', page)
    assert found, page
    return html.unescape(found.group(1))


@dataclass
class Provider:
    """The running provider and what a client does with it."""

    clock: Clock
    port: int
    issuer: str

    def browser(self) -> Browser:
        return Browser(self.port)

    def request(self, **changes: str | None) -> dict[str, str]:
        """Parameters of a good authorization request; None leaves one out."""
        parameters = {
            "response_type": "code",
            "client_id": "client",
            "redirect_uri": CALLBACK,
            "scope": "openid profile email offline_access",
            "state": "some state",
            "nonce": "nonce-1",
            "code_challenge": challenge_of(VERIFIER),
            "code_challenge_method": "S256",
            **changes,
        }
        return {name: value for name, value in parameters.items() if value is not None}

    async def sign_in(self, browser: Browser, account: Any = MEMBER, **changes: str | None) -> Answer:
        """From the authorization request to the redirect home."""
        page = await browser.get("/authorize", **self.request(**changes))
        if page.status == 303:
            return page
        fields = {"form": form_of(page.text), "username": account.username, "password": account.password}
        return await browser.post("/sign-in", **fields)

    async def code(self, account: Any = MEMBER, **changes: str | None) -> str:
        home = await self.sign_in(self.browser(), account, **changes)
        assert home.status == 303, home.text
        return home.sent_home["code"]

    async def token(self, **fields: str | None) -> Answer:
        """A token request by client_secret_post; None leaves a field out."""
        form = {
            "grant_type": "authorization_code",
            "redirect_uri": CALLBACK,
            "client_id": "client",
            "client_secret": "secret",
            "code_verifier": VERIFIER,
            **fields,
        }
        return await self.browser().post("/token", **{name: value for name, value in form.items() if value})

    async def refresh(self, token: str, **fields: str | None) -> Answer:
        return await self.token(
            grant_type="refresh_token", refresh_token=token, redirect_uri=None, code_verifier=None, **fields
        )

    async def userinfo(self, token: str) -> Answer:
        return await self.browser().send("GET", "/userinfo", headers={"Authorization": f"Bearer {token}"})


def make_site(clock: Clock, issuer: str = ISSUER) -> Site:
    clients = [
        Client(
            "client", Secret("secret"), "Some <App>", (CALLBACK,), (AFTER,), ("https://authenticate.example",)
        ),
        Client("other", Secret("other secret"), "Other", ("https://other.example/cb",)),
    ]
    return make_identity_provider(issuer, clients, clock, counted(), signing_key=SIGNING_KEY)


@pytest_twisted.async_yield_fixture
async def provider() -> AsyncIterator[Provider]:
    clock = Clock()
    clock.advance(NOW)
    listening = reactor.listenTCP(0, make_site(clock), interface="127.0.0.1")
    yield Provider(clock, listening.getHost().port, ISSUER)
    await listening.stopListening()


@pytest.fixture
def clock() -> Iterator[Clock]:
    clock = Clock()
    clock.advance(NOW)
    yield clock
