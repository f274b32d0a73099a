from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from pomerium_tw.model import ClientCertificate

NAME = x509.Name([])
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
EDI_PARTY = bytes.fromhex("3004a5023000")
"""Subject alternative names (RFC 5280 §4.2.1.6) with one of a type that the library does not read."""


def presented(*extensions: x509.ExtensionType) -> ClientCertificate:
    key = ec.generate_private_key(ec.SECP256R1())
    builder = x509.CertificateBuilder(NAME, NAME, key.public_key(), 1, BEGIN, BEGIN + timedelta(days=1))
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    return ClientCertificate(builder.sign(key, SHA256()).public_bytes(Encoding.DER))


def test_names_are_told_by_their_type() -> None:
    names = [x509.DNSName("a.example"), x509.RFC822Name("a@b"), x509.UniformResourceIdentifier("spiffe://x")]
    found = presented(x509.SubjectAlternativeName(names))
    assert (found.dns_names, found.emails, found.uris) == (("a.example",), ("a@b",), ("spiffe://x",))


def test_a_certificate_without_names_has_none() -> None:
    assert presented().dns_names == ()


@pytest.mark.parametrize("fact", ["dns_names", "emails", "uris"])
def test_names_that_cannot_be_read_are_a_value_error(fact: str) -> None:
    names = x509.UnrecognizedExtension(x509.oid.ExtensionOID.SUBJECT_ALTERNATIVE_NAME, EDI_PARTY)
    with pytest.raises(ValueError, match="the names of the certificate cannot be read"):
        getattr(presented(names), fact)


def test_what_is_no_certificate_is_a_value_error() -> None:
    with pytest.raises(ValueError, match=r"ASN\.1|parsing"):
        _ = ClientCertificate(b"nothing").spki_hash
