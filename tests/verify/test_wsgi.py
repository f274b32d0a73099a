"""The WSGI middleware: 401 with a reason, or the application with the assertion."""

from __future__ import annotations

from typing import Any
from wsgiref.util import setup_testing_defaults

from pomerium_tw.verify.wsgi import ENVIRON_KEY, AssertionMiddleware

from .conftest import Proxy


def call(proxy: Proxy, token: str | None, **options: Any) -> tuple[str, dict[str, str], str]:
    """Run one request: status, headers, body."""
    answered: list[Any] = []

    def application(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", [])
        return [environ[ENVIRON_KEY].email.encode()]

    environ: dict[str, Any] = {ENVIRON_KEY: "forged"}
    setup_testing_defaults(environ)
    if token is not None:
        environ["HTTP_X_POMERIUM_JWT_ASSERTION"] = token
    middleware = AssertionMiddleware(application, proxy.verifier(), **options)
    body = b"".join(middleware(environ, lambda *args: answered.append(args)))  # type: ignore[arg-type]
    return answered[0][0], dict(answered[0][1]), body.decode()


def test_a_verified_request_reaches_the_application(proxy: Proxy) -> None:
    assert call(proxy, proxy.token())[::2] == ("200 OK", "someone@example.com")


def test_anything_else_is_401_with_the_reason(proxy: Proxy) -> None:
    for token, said in ((None, "no assertion"), ("x", "three parts"), (proxy.token(aud="other"), "'other'")):
        status, headers, body = call(proxy, token)
        assert status == "401 Unauthorized"
        assert said in body
        assert headers["WWW-Authenticate"].startswith("Bearer")
        assert headers["Content-Type"].startswith("text/plain")


def test_two_assertions_in_one_request_are_none(proxy: Proxy) -> None:
    token = proxy.token()
    assert call(proxy, f"{token},{token}")[0] == "401 Unauthorized"


def test_nobody_is_let_in_only_where_that_is_wanted(proxy: Proxy) -> None:
    token = proxy.token(sub="", email="")
    assert "nobody is signed in" in call(proxy, token)[2]
    assert call(proxy, token, allow_anonymous=True)[0] == "200 OK"
