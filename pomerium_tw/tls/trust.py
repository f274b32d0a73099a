"""Whom our own clients believe: the system's authorities and those of the settings, or a route's alone."""

from __future__ import annotations

from cryptography import x509
from OpenSSL import SSL, crypto
from twisted.internet import ssl

# Nothing public lets a root be added to the system's.
from twisted.internet._sslverify import IOpenSSLTrustRoot
from twisted.internet.abstract import isIPAddress, isIPv6Address
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator
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


def client_connection(name: str, trust: TrustRoots | None) -> IOpenSSLClientConnectionCreator:
    """TLS to a server that must prove to be ``name`` (host name or IP literal); None trusts whoever answers.

    Raises TLSError for a name that no certificate can be checked against.
    """
    host = name.strip("[]").partition("%")[0]
    try:
        if trust is None:
            return _Unverified(host)
        creator: IOpenSSLClientConnectionCreator = ssl.optionsForClientTLS(
            host, trust, acceptableProtocols=list(ALPN)
        )
    except UnicodeError as error:
        raise TLSError(f"{host!r} is not a host name that a certificate can name: {error}") from error
    return creator


@implementer(IOpenSSLClientConnectionCreator)
class _Unverified:
    """For ``tls_skip_verify``: the name is sent, nothing is checked."""

    def __init__(self, host: str) -> None:
        # Servers are not named by their addresses (RFC 6066 §3).
        self._name = b"" if isIPAddress(host) or isIPv6Address(host) else host.encode("idna")
        self._context: SSL.Context = ssl.CertificateOptions(verify=False).getContext()

    def clientConnectionForTLS(self, tlsProtocol: object) -> SSL.Connection:
        connection = SSL.Connection(self._context, None)
        connection.set_app_data(tlsProtocol)
        connection.set_alpn_protos(list(ALPN))
        if self._name:
            connection.set_tlsext_host_name(self._name)
        return connection
