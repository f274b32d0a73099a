"""TLS towards clients: a context for each certificate, chosen by the name asked for (spec/proxy §4.1)."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from dataclasses import dataclass, field

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from cryptography.x509.oid import NameOID
from OpenSSL import SSL, crypto
from twisted.internet import ssl
from twisted.logger import Logger

from ..model import Secret
from ..transport import TLSConnection
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
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise TLSError("the private key cannot be read as PEM: is it encrypted?") from error
        as_bytes = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        try:
            public = certificates[0].public_key().public_bytes(*as_bytes)
        except (ValueError, UnsupportedAlgorithm) as error:
            raise TLSError("the certificate's key is of a kind that is not supported") from error
        if private.public_key().public_bytes(*as_bytes) != public:
            raise TLSError("the private key does not belong to the certificate")
        loaded = cls(certificates, crypto.PKey.from_cryptography_key(private))  # type: ignore[arg-type]  # any key
        loaded.context()
        return loaded

    @property
    def names(self) -> tuple[str, ...]:
        """DNS names in lower case."""
        try:
            extension = self.chain[0].extensions.get_extension_for_class(x509.SubjectAlternativeName)
        except x509.ExtensionNotFound:
            return ()
        return tuple(name.lower() for name in extension.value.get_values_for_type(x509.DNSName))

    @property
    def common_names(self) -> tuple[str, ...]:
        """Common names in lower case: old certificates have nothing else."""
        found = self.chain[0].subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        return tuple(str(name.value).lower() for name in found)

    def context(self) -> SSL.Context:
        """A new server context. Raises TLSError for what OpenSSL refuses, a weak key for instance."""
        options = ssl.CertificateOptions(
            privateKey=self.key,
            certificate=crypto.X509.from_cryptography(self.chain[0]),
            extraCertChain=[crypto.X509.from_cryptography(each) for each in self.chain[1:]],
            raiseMinimumTo=ssl.TLSVersion.TLSv1_2,
            acceptableCiphers=ssl.AcceptableCiphers.fromOpenSSLCipherString(CIPHERS),
            # Each worker has keys of its own; none of these contexts asks for a client certificate.
            enableSessionTickets=True,
        )
        try:
            context: SSL.Context = options.getContext()
        except SSL.Error as error:
            reason = error.args[0][0][-1] if error.args and error.args[0] else "no reason given"
            raise TLSError(f"OpenSSL refuses the certificate or its key: {reason}") from error
        context.set_options(SSL.OP_NO_RENEGOTIATION)
        # Without, handshakes of clients that offer protocols abort (spec/speed §6).
        context.set_alpn_select_callback(_choose_protocol)
        return context


def _choose_protocol(_connection: SSL.Connection, offered: list[bytes]) -> bytes:
    for protocol in ALPN:
        if protocol in offered:
            return protocol
    # This is how pyOpenSSL is told to refuse (RFC 7301 §3.2).
    raise SSL.Error([("SSL routines", "", "no protocol that both speak")])


class ServerContexts:
    """Answers each handshake with the certificate for its name.

    The order is: a DNS name that is equal, a wildcard for one label, a common name, the first certificate.
    """

    def __init__(self, certificates: Sequence[ServerCertificate]) -> None:
        if not certificates:
            raise TLSError("a TLS listener needs a certificate")
        self._by_name: dict[str, SSL.Context] = {}
        self._by_common_name: dict[str, SSL.Context] = {}
        contexts = []
        for certificate in certificates:
            context = certificate.context()
            context.set_tlsext_servername_callback(self._choose)
            contexts.append(context)
            for name in certificate.names:
                self._by_name.setdefault(name, context)
            for name in certificate.common_names:
                self._by_common_name.setdefault(name, context)
        self._default = contexts[0]

    def find(self, name: str) -> SSL.Context:
        """The context for a server name, in any case, with or without a final dot."""
        wanted = name.lower().rstrip(".")
        wildcard = "*." + wanted.partition(".")[2]
        return (
            self._by_name.get(wanted)
            or self._by_name.get(wildcard)
            or self._by_common_name.get(wanted)
            or self._default
        )

    def _choose(self, connection: SSL.Connection) -> None:
        # An exception in here would not stop the handshake: see to it that none leaves (spec/threats TL-06).
        try:
            name = connection.get_servername()
            # A name of other bytes is no certificate's.
            connection.set_context(self.find(name.decode("ascii", "replace") if name else ""))
        except Exception:
            log.failure("choosing a certificate failed: the handshake is aborted")
            connection.set_context(_refusing_context())

    def connection(self, sock: socket.socket | None) -> TLSConnection:
        """A connection on ``sock``, or on buffers in memory, that is yet to shake hands."""
        return TLSConnection(self._default, sock)


def _refusing_context() -> SSL.Context:
    """A context without a certificate: no handshake can succeed with it."""
    return SSL.Context(SSL.TLS_SERVER_METHOD)
