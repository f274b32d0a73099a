"""Whom our HTTP client believes: the system's certificate authorities and those of the settings."""

from __future__ import annotations

from cryptography import x509
from OpenSSL import SSL, crypto
from twisted.internet import ssl
from twisted.internet._sslverify import (
    IOpenSSLTrustRoot,
)  # nothing public lets a root be added to the system's
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator
from twisted.web.iweb import IPolicyForHTTPS
from zope.interface import implementer


@implementer(IOpenSSLTrustRoot)
class _SystemAndMore:
    def __init__(self, more: list[crypto.X509]) -> None:
        self._more = more

    def _addCACertsToContext(self, context: SSL.Context) -> None:
        ssl.platformTrust()._addCACertsToContext(context)
        store = context.get_cert_store()
        if store is None:
            raise RuntimeError("OpenSSL has no certificate store to add to")
        for certificate in self._more:
            store.add_cert(certificate)


@implementer(IPolicyForHTTPS)
class SystemAndMorePolicy:
    """Certificates must be of the name asked for, and of a system authority or one of ``pem`` (any number
    of them).

    Raises ValueError when ``pem`` is not empty and not a list of certificates.
    """

    def __init__(self, pem: bytes = b"") -> None:
        more = x509.load_pem_x509_certificates(pem) if pem.strip() else []
        self._trust = _SystemAndMore([crypto.X509.from_cryptography(certificate) for certificate in more])

    def creatorForNetloc(self, hostname: bytes, port: int) -> IOpenSSLClientConnectionCreator:  # noqa: ARG002  # the interface's
        return ssl.optionsForClientTLS(hostname.decode("ascii"), trustRoot=self._trust)
