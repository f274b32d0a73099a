"""WSGI middleware: nobody reaches the application without a verified assertion."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from .assertion import Assertion
from .errors import VerificationError
from .verifier import AssertionVerifier

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

ENVIRON_KEY = "pomerium_tw.assertion"
"""Where the application finds the :class:`~pomerium_tw.verify.Assertion`."""

_HEADER = "HTTP_X_POMERIUM_JWT_ASSERTION"


class AssertionMiddleware:
    """Verifies ``X-Pomerium-Jwt-Assertion`` of every request: 401 when that fails.

    A genuine assertion of nobody (public route, no session) is refused too unless ``allow_anonymous`` is set.
    """

    def __init__(
        self, application: WSGIApplication, verifier: AssertionVerifier, *, allow_anonymous: bool = False
    ) -> None:
        self._application = application
        self._verifier = verifier
        self._allow_anonymous = allow_anonymous

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        environ.pop(ENVIRON_KEY, None)
        try:
            environ[ENVIRON_KEY] = self._verify(environ.get(_HEADER, ""))
        except VerificationError as error:
            return _refuse(error, start_response)
        return self._application(environ, start_response)

    def _verify(self, token: str) -> Assertion:
        assertion = self._verifier.verify(token)
        if assertion.anonymous and not self._allow_anonymous:
            raise VerificationError("the assertion is genuine, but nobody is signed in")
        return assertion


def _refuse(error: VerificationError, start_response: StartResponse) -> Iterable[bytes]:
    body = f"Unauthorized: {error.reason}.\n".encode()
    start_response(
        "401 Unauthorized",
        [
            ("Content-Type", "text/plain; charset=utf-8"),
            ("Content-Length", str(len(body))),
            ("Cache-Control", "no-store"),
            ("X-Content-Type-Options", "nosniff"),
            ("WWW-Authenticate", 'Bearer error="invalid_token"'),
        ],
    )
    return [body]
