"""Whom our own clients believe: the system's authorities and those of the settings, or a route's alone."""

from __future__ import annotations

from typing import Any

from cryptography import x509
from OpenSSL import SSL, crypto
from twisted.internet import ssl

# Nothing public lets a root be added to the system's.
from twisted.internet._sslverify import IOpenSSLTrustRoot
from zope.interface import implementer

from .errors import TLSError


@implementer(IOpenSSLTrustRoot)
class TrustRoots:
    """Certificate authorities for outgoing connections."""

    def __init__(self, pem: bytes = b"", *, system: bool = True) -> None:
        """``pem``: any number of certificates; ``system`` adds the system's. Raises TLSError."""
        try:
            found = x509.load_pem_x509_certificates(pem) if pem.strip() else []
        except ValueError as error:
            raise TLSError("the certificate authorities are not a list of PEM certificates") from error
        self._more = [crypto.X509.from_cryptography(certificate) for certificate in found]
        self._system = system
        self._context: SSL.Context | None = None

    @property
    def context(self) -> SSL.Context:
        """The context of connections to servers that one of these vouches for, made once: it is large."""
        if self._context is None:
            self._context = client_context(trustRoot=self)
        return self._context

    def _addCACertsToContext(self, context: SSL.Context) -> None:
        if self._system:
            ssl.platformTrust()._addCACertsToContext(context)
        store = context.get_cert_store()
        if store is None:
            raise TLSError("OpenSSL has no certificate store to add authorities to")
        for certificate in self._more:
            store.add_cert(certificate)


ALPN = (b"http/1.1",)
"""What both sides of ours speak until HTTP/2 is built (DESIGN §7.6)."""

CIPHERS = (
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-GCM-SHA256:"
    "ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305:"
    "ECDHE-ECDSA-AES128-SHA:ECDHE-RSA-AES128-SHA:AES128-GCM-SHA256:AES128-SHA:"
    "ECDHE-ECDSA-AES256-SHA:ECDHE-RSA-AES256-SHA:AES256-GCM-SHA384:AES256-SHA"
)
"""TLS 1.2 suites that servers are offered, old ones' among them (spec/proxy §4.3)."""


def client_context(**options: Any) -> SSL.Context:
    """A context for connections to servers; ``options`` are those of Twisted's CertificateOptions."""
    context: SSL.Context = ssl.CertificateOptions(
        raiseMinimumTo=ssl.TLSVersion.TLSv1_2,
        acceptableCiphers=ssl.AcceptableCiphers.fromOpenSSLCipherString(CIPHERS),
        **options,
    ).getContext()
    context.set_options(SSL.OP_NO_RENEGOTIATION)
    context.set_alpn_protos(list(ALPN))
    return context
