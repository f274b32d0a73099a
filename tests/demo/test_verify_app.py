"""The verify app says verified, or why not."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from typing import Any

import jwt
import pytest
import pytest_twisted
from cryptography.hazmat.primitives.asymmetric import ec
from pytest_twisted import ensureDeferred
from twisted.internet import reactor
from twisted.internet.threads import deferToThread
from twisted.web.resource import Resource
from twisted.web.server import Request, Site

from pomerium_tw.demo.verify_app import make_verify_app

from .conftest import Answer, Browser

KEY = ec.generate_private_key(ec.SECP256R1())


class Proxy(Resource):
    """The front door, as far as keys are concerned."""

    isLeaf = True

    def render_GET(self, request: Request) -> bytes:
        if request.path != b"/.well-known/pomerium/jwks.json":
            request.setResponseCode(404)
            return b""
        record = jwt.algorithms.ECAlgorithm.to_jwk(KEY.public_key(), as_dict=True)
        return json.dumps({"keys": [{**record, "kid": "1", "use": "sig", "alg": "ES256"}]}).encode()


def token(host: str = "verify.localhost", **changes: Any) -> str:
    now = int(time.time())  # the app uses the real clock
    claims = {
        "iss": host,
        "aud": host,
        "sub": "demo-member",
        "email": "member@corp.example",
        "groups": ["staff"],
        "name": "Demo <b>Member</b>",
        "iat": now,
        "exp": now + 300,
        **changes,
    }
    return jwt.encode(claims, KEY, "ES256", headers={"kid": "1"})


@pytest_twisted.async_yield_fixture
async def app() -> AsyncIterator[Browser]:
    proxy = reactor.listenTCP(0, Site(Proxy()), interface="127.0.0.1")
    front = f"http://verify.localhost:{proxy.getHost().port}"
    hosts = {"verify.localhost": front, "admin.localhost": front}
    listening = reactor.listenTCP(0, make_verify_app(hosts, deferToThread), interface="127.0.0.1")
    yield Browser(listening.getHost().port)
    await listening.stopListening()
    await proxy.stopListening()


async def ask(app: Browser, path: str, assertion: str = "", host: str = "verify.localhost:8443") -> Answer:
    headers = {"X-Forwarded-Host": host}
    if assertion:
        headers["X-Pomerium-Jwt-Assertion"] = assertion
    return await app.send("GET", path, headers=headers)


@ensureDeferred
async def test_a_good_assertion_is_verified_through_the_front_door(app: Browser) -> None:
    answer = await ask(app, "/", token())
    assert answer.status == 200
    assert '<h1 id="heading">verified</h1>' in answer.text
    assert "member@corp.example" in answer.text
    assert "Demo &lt;b&gt;Member&lt;/b&gt;" in answer.text
    assert "<b>" not in answer.text
    assert answer.header("Content-Security-Policy").startswith("default-src 'none'")
    for link in ("/.pomerium/", "/.pomerium/sign_out", "/json"):
        assert f'href="{link}"' in answer.text


@ensureDeferred
async def test_json_says_the_same(app: Browser) -> None:
    said = json.loads((await ask(app, "/json", token())).text)
    assert said["verified"] is True
    assert said["verdict"] == "verified"
    assert said["identity"]["email"] == "member@corp.example"
    assert said["claims"]["aud"] == said["host"] == "verify.localhost"


@pytest.mark.parametrize(
    ("assertion", "why"),
    [
        ("", "no assertion"),
        ("x.y", "three parts"),
        (token(aud="admin.localhost"), "made for 'admin.localhost'"),
        (token(exp=1), "expired"),
        (token()[:-10] + "AAAAAAAAAA", "altered or forged"),
    ],
)
@ensureDeferred
async def test_anything_else_is_not_verified_and_says_why(app: Browser, assertion: str, why: str) -> None:
    said = json.loads((await ask(app, "/json", assertion)).text)
    assert said["verdict"] == "not verified"
    assert said["identity"] is None
    assert why in said["reason"]
    assert '<h1 id="heading">not verified</h1>' in (await ask(app, "/", assertion)).text


@ensureDeferred
async def test_an_assertion_is_only_good_for_the_host_that_was_asked(app: Browser) -> None:
    assert json.loads((await ask(app, "/json", token("admin.localhost"), "admin.localhost:8443")).text)[
        "verified"
    ]
    said = json.loads((await ask(app, "/json", token(), "admin.localhost:8443")).text)
    assert not said["verified"]
    evil = json.loads((await ask(app, "/json", token("evil.example"), "evil.example")).text)
    assert "does not serve" in evil["reason"]


@ensureDeferred
async def test_nobody_signed_in_is_said_so(app: Browser) -> None:
    page = (await ask(app, "/", token(sub="", email="", name="", groups=[]))).text
    assert '<h1 id="heading">verified</h1>' in page
    assert "nobody is signed in" in page


@ensureDeferred
async def test_headers_are_shown_and_tokens_are_not(app: Browser) -> None:
    sent = token()
    headers = {
        "X-Forwarded-Host": "verify.localhost",
        "X-Pomerium-Jwt-Assertion": sent,
        "Cookie": "other=0123456789abcdef",
        "X-Odd": "<script>",
    }
    for path in ("/", "/json"):
        text = (await app.send("GET", path, headers=headers)).text
        assert sent not in text
        assert "0123456789abcdef" not in text
        assert f"({len(sent)} characters)" in text
    page = (await app.send("GET", "/", headers=headers)).text
    assert "&lt;script&gt;" in page
    assert "<script" not in page


@ensureDeferred
async def test_two_assertions_are_none(app: Browser) -> None:
    from twisted.web.client import Agent, readBody
    from twisted.web.http_headers import Headers

    headers = Headers(
        {"X-Forwarded-Host": ["verify.localhost"], "X-Pomerium-Jwt-Assertion": [token(), token()]}
    )
    url = f"http://127.0.0.1:{app.port}/json".encode()
    response = await Agent(reactor).request(b"GET", url, headers)
    assert "more than once" in json.loads(await readBody(response))["reason"]


@ensureDeferred
async def test_any_path_is_the_page_and_head_has_no_body(app: Browser) -> None:
    answer = await ask(app, "/some/where?x=1", token())
    assert "GET /some/where" in answer.text
    assert (await app.get("/favicon.ico")).status == 404
    assert (await app.get("/assets/icon.svg")).header("Content-Type") == "image/svg+xml"
    assert (await app.send("HEAD", "/")).status == 200
