"""TLS towards clients: one context for each certificate, chosen by the name the client asks for (spec/proxy §4.1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from cryptography.x509.oid import NameOID
from OpenSSL import SSL, crypto
from twisted.internet import ssl
from twisted.internet.interfaces import IOpenSSLServerConnectionCreator
from twisted.logger import Logger
from zope.interface import implementer

from ..model import Secret
from .errors import TLSError
from .trust import ALPN

log = Logger("pomerium.tls")

CIPHERS = (
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-GCM-SHA256:"
    "ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"
)
"""TLS 1.2 suites; those of TLS 1.3 are OpenSSL's own."""


@dataclass(frozen=True)
class ServerCertificate:
    """A certificate chain with its key, checked to belong together, and the names it is good for."""

    chain: tuple[x509.Certificate, ...]
    key: crypto.PKey = field(repr=False)

    @classmethod
    def load(cls, chain: bytes, key: Secret) -> ServerCertificate:
        """``chain``: PEM, leaf first. Raises TLSError."""
        try:
            certificates = tuple(x509.load_pem_x509_certificates(chain))
        except ValueError as error:
            raise TLSError("the certificate cannot be read as PEM") from error
        try:
            private = load_pem_private_key(key.reveal(), None)
        except (ValueError, TypeError) as error:
            raise TLSError("the private key cannot be read as PEM: is it encrypted?") from error
        as_bytes = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        if private.public_key().public_bytes(*as_bytes) != certificates[0].public_key().public_bytes(*as_bytes):
            raise TLSError("the private key does not belong to the certificate")
        return cls(certificates, crypto.PKey.from_cryptography_key(private))  # type: ignore[arg-type]  # any private key

    @property
    def names(self) -> tuple[str, ...]:
        """DNS names in lower case; the common name where there are none."""
        leaf = self.chain[0]
        try:
            alternatives = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
            names = alternatives.get_values_for_type(x509.DNSName)
        except x509.ExtensionNotFound:
            names = [str(name.value) for name in leaf.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
        return tuple(name.lower() for name in names)


@implementer(IOpenSSLServerConnectionCreator)
class ServerContexts:
    """Answers each handshake with the certificate for its name: exact, then wildcard, then the first one."""

    def __init__(self, certificates: Sequence[ServerCertificate]) -> None:
        if not certificates:
            raise TLSError("a TLS listener needs a certificate")
        self._by_name: dict[str, SSL.Context] = {}
        contexts = []
        for certificate in certificates:
            context = _context(certificate)
            context.set_tlsext_servername_callback(self._choose)
            contexts.append(context)
            for name in certificate.names:
                self._by_name.setdefault(name, context)
        self._default = contexts[0]

    def find(self, name: str) -> SSL.Context:
        """The context for a server name, in any case, with or without a final dot."""
        wanted = name.lower().rstrip(".")
        wildcard = "*." + wanted.partition(".")[2]
        return self._by_name.get(wanted) or self._by_name.get(wildcard) or self._default

    def _choose(self, connection: SSL.Connection) -> None:
        # An exception in here would not stop the handshake: see to it that none leaves (spec/threats TL-06).
        try:
            name = connection.get_servername()
            connection.set_context(self.find(name.decode("ascii") if name else ""))
        except Exception:
            log.failure("choosing a certificate failed: the handshake is aborted")
            connection.set_context(_refusing_context())

    def serverConnectionForTLS(self, tlsProtocol: object) -> SSL.Connection:
        connection = SSL.Connection(self._default, None)
        connection.set_app_data(tlsProtocol)
        return connection


def _context(certificate: ServerCertificate) -> SSL.Context:
    options = ssl.CertificateOptions(
        privateKey=certificate.key,
        certificate=crypto.X509.from_cryptography(certificate.chain[0]),
        extraCertChain=[crypto.X509.from_cryptography(each) for each in certificate.chain[1:]],
        raiseMinimumTo=ssl.TLSVersion.TLSv1_2,
        acceptableCiphers=ssl.AcceptableCiphers.fromOpenSSLCipherString(CIPHERS),
        # Without protocols, handshakes of clients that offer some abort (spec/speed §6).
        acceptableProtocols=list(ALPN),
    )
    context: SSL.Context = options.getContext()
    context.set_options(SSL.OP_NO_RENEGOTIATION)
    return context


def _refusing_context() -> SSL.Context:
    """A context without a certificate: no handshake can succeed with it."""
    return SSL.Context(SSL.TLS_SERVER_METHOD)
