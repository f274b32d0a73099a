"""Verifying our assertion in an application behind the proxy.

Needs PyJWT, cryptography and the standard library; imports no Twisted. Safe to call from several threads::

    verifier = AssertionVerifier("app.example.com")
    assertion = verifier.verify(request.headers["X-Pomerium-Jwt-Assertion"])

:mod:`pomerium_tw.verify.wsgi` does the same in front of a WSGI application.
"""

from .assertion import Assertion
from .errors import VerificationError
from .fetch import FetchError, fetch_document
from .verifier import AssertionVerifier

__all__ = ["Assertion", "AssertionVerifier", "FetchError", "VerificationError", "fetch_document"]
