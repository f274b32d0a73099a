"""The certificate that a client presented, as facts that policies and headers speak of."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from functools import cached_property

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat


@dataclass(frozen=True)
class ClientCertificate:
    """One per connection: facts are computed once, when first asked for.

    Facts raise ValueError for a leaf that cannot be read. Whether the certificate is any good is another
    question: see :mod:`pomerium_tw.tls`.
    """

    leaf: bytes
    """DER. b"" where only its presence is known; then it has no facts."""
    intermediates: tuple[bytes, ...] = ()
    """DER of what the client sent along, in its order."""

    @cached_property
    def parsed(self) -> x509.Certificate:
        return x509.load_der_x509_certificate(self.leaf)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the DER, 64 lower-case hexadecimal digits."""
        return hashlib.sha256(self.leaf).hexdigest()

    @cached_property
    def spki_hash(self) -> str:
        """SHA-256 of the subject public key info, standard base64."""
        key = self.parsed.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return base64.b64encode(hashlib.sha256(key).digest()).decode("ascii")

    @cached_property
    def dns_names(self) -> tuple[str, ...]:
        """Subject alternative names of the type dNSName, in the certificate's order."""
        return tuple(self._names(x509.DNSName))

    @cached_property
    def emails(self) -> tuple[str, ...]:
        """Subject alternative names of the type rfc822Name."""
        return tuple(self._names(x509.RFC822Name))

    @cached_property
    def uris(self) -> tuple[str, ...]:
        """Subject alternative names of the type uniformResourceIdentifier."""
        return tuple(self._names(x509.UniformResourceIdentifier))

    def _names(
        self, kind: type[x509.DNSName] | type[x509.RFC822Name] | type[x509.UniformResourceIdentifier]
    ) -> list[str]:
        try:
            extensions = self.parsed.extensions
            names = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        except x509.ExtensionNotFound:
            return []
        except (x509.DuplicateExtension, x509.UnsupportedGeneralNameType) as error:
            raise ValueError(f"the names of the certificate cannot be read: {error}") from error
        return [str(name) for name in names.get_values_for_type(kind)]
