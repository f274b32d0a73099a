"""A certificate authority of this machine's own, and one certificate for the demo's names."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from .state import StateFolder

CA_LIFETIME = timedelta(days=3650)

CERTIFICATE_LIFETIME = timedelta(days=365)
"""Browsers refuse server certificates of more than 398 days."""

RENEW_BEFORE = timedelta(days=30)
"""A certificate that ends sooner than this is made anew."""

_BACKDATED = timedelta(hours=1)
"""For clocks that are a little behind."""

_CA, _CA_KEY = "ca.pem", "ca-key.pem"
_SERVER, _SERVER_KEY = "server.pem", "server-key.pem"


@dataclass(frozen=True, slots=True)
class Certificates:
    """Where the files are, all PEM and mode 0600."""

    ca_file: Path
    """What browsers and programs are asked to trust."""
    certificate_file: Path
    key_file: Path


@dataclass(frozen=True, slots=True)
class _Pair:
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


def ensure_certificates(state: StateFolder, names: Sequence[str], now: float) -> Certificates:
    """Make what is missing, about to end, or for other names than ``names``; the CA is kept while it lasts.

    Names are listed one by one, as ``*.localhost`` is refused by verifiers. ``now`` is in seconds since the
    epoch. Raises DemoError when a file cannot be read or written.
    """
    moment = datetime.fromtimestamp(now, UTC)
    authority = _load(state, _CA, _CA_KEY)
    if authority is None or authority.certificate.not_valid_after_utc - moment < RENEW_BEFORE:
        authority = _make_authority(moment)
        _store(state, _CA, _CA_KEY, authority)
    server = _load(state, _SERVER, _SERVER_KEY)
    if server is None or not _is_good(server.certificate, authority.certificate, names, moment):
        _store(state, _SERVER, _SERVER_KEY, _issue(authority, names, moment))
    return Certificates(state.file(_CA), state.file(_SERVER), state.file(_SERVER_KEY))


def _make_authority(moment: datetime) -> _Pair:
    """A CA that can vouch for names under localhost and loopback alone (RFC 5280 §4.2.1.10)."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "pomerium-tw demo"),
            x509.NameAttribute(NameOID.COMMON_NAME, f"pomerium-tw demo CA {moment:%Y-%m-%d}"),
        ]
    )
    limits = x509.NameConstraints(
        permitted_subtrees=[
            x509.DNSName("localhost"),
            x509.IPAddress(ipaddress.ip_network("127.0.0.0/8")),
            x509.IPAddress(ipaddress.ip_network("::1/128")),
        ],
        excluded_subtrees=None,
    )
    builder = (
        _builder(name, name, key, moment, CA_LIFETIME)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(authority=True), critical=True)
        .add_extension(limits, critical=True)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
    )
    return _Pair(builder.sign(key, hashes.SHA256()), key)


def _issue(authority: _Pair, names: Sequence[str], moment: datetime) -> _Pair:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
    builder = (
        _builder(subject, authority.certificate.subject, key, moment, CERTIFICATE_LIFETIME)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(authority=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key()), critical=False
        )
    )
    return _Pair(builder.sign(authority.key, hashes.SHA256()), key)


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    moment: datetime,
    lifetime: timedelta,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(moment - _BACKDATED)
        .not_valid_after(moment - _BACKDATED + lifetime)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _key_usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=authority,
        encipher_only=False,
        decipher_only=False,
    )


def _is_good(
    certificate: x509.Certificate, authority: x509.Certificate, names: Sequence[str], moment: datetime
) -> bool:
    """Whether a certificate still serves: ours, for exactly these names, with time left."""
    try:
        certificate.verify_directly_issued_by(authority)
        listed = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (ValueError, TypeError, InvalidSignature, x509.ExtensionNotFound):
        return False
    started = certificate.not_valid_before_utc <= moment
    lasts = certificate.not_valid_after_utc - moment >= RENEW_BEFORE
    return started and lasts and listed.get_values_for_type(x509.DNSName) == list(names)


def _load(state: StateFolder, certificate: str, key: str) -> _Pair | None:
    certificate_pem, key_pem = state.read(certificate), state.read(key)
    if certificate_pem is None or key_pem is None:
        return None
    try:
        private = serialization.load_pem_private_key(key_pem, None)
        public = x509.load_pem_x509_certificate(certificate_pem)
    except (ValueError, TypeError) as error:
        raise state.unreadable(certificate, f"or {key} cannot be read as PEM") from error
    if not isinstance(private, ec.EllipticCurvePrivateKey) or public.public_key() != private.public_key():
        return None  # half of a pair was replaced: make both anew
    return _Pair(public, private)


def _store(state: StateFolder, certificate: str, key: str, pair: _Pair) -> None:
    """The key first: a certificate without its key is noticed and replaced, see :func:`_load`."""
    pem = pair.key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    state.write(key, pem)
    state.write(certificate, pair.certificate.public_bytes(serialization.Encoding.PEM))
