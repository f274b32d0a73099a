"""Keys and certificates of a configuration, decoded and checked: a broken one is found where it stands.

No message repeats what was read: it may be a secret.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import Annotated, Any

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from pydantic import PlainValidator

from pomerium_tw.model import Secret

from .problem import DecodeError
from .values import text

KEY_BYTES = 32
"""Length of shared_secret and cookie_secret once decoded (spec/identity §4.1)."""

_BEGIN = "-----BEGIN "
_MAKE_KEY = "make one with: head -c32 /dev/urandom | base64"


def key_of_32_bytes(written: str) -> Secret:
    """The 32 bytes of a base64 text. Blanks around it are an error (spec/proxy §1.1)."""
    if written != written.strip():
        raise DecodeError("the secret has blanks or line breaks around it", "remove them")
    raw = _base64(written, _MAKE_KEY)
    if len(raw) != KEY_BYTES:
        raise DecodeError(f"the secret is {len(raw)} bytes long, not {KEY_BYTES}", _MAKE_KEY)
    return Secret(raw)


def certificates(data: bytes) -> bytes:
    """PEM of one or more X.509 certificates, checked and returned as it came."""
    try:
        x509.load_pem_x509_certificates(data)
    except (ValueError, UnsupportedAlgorithm):
        raise DecodeError(
            "this is not PEM of certificates", "it begins with -----BEGIN CERTIFICATE-----"
        ) from None
    return data


def private_key(data: bytes) -> Secret:
    """PEM of one private key without a passphrase, checked."""
    try:
        serialization.load_pem_private_key(data, password=None)
    except TypeError:
        raise DecodeError(
            "the private key is locked by a passphrase", "store it without one, readable by us alone"
        ) from None
    except (ValueError, UnsupportedAlgorithm):
        raise DecodeError("this is not PEM of a private key") from None
    return Secret(data)


def signing_keys(written: str) -> Secret:
    """PEM of one or more keys, from PEM or from base64 of PEM (spec/identity §10.3)."""
    found = written.strip()
    if not found.startswith(_BEGIN):
        found = ascii_text(_base64(found, "write PEM, or base64 of PEM")).strip()
    if not found.startswith(_BEGIN):
        raise DecodeError(
            "this is not PEM of signing keys",
            "make one with: openssl ecparam -genkey -name prime256v1 -noout",
        )
    return Secret(found)


def belong_together(chain: bytes, key: Secret) -> bool:
    """Whether a private key is that of the first certificate of a chain; both were checked before."""
    encoding, form = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    public = x509.load_pem_x509_certificates(chain)[0].public_key().public_bytes(encoding, form)
    private = serialization.load_pem_private_key(key.reveal(), password=None)
    return private.public_key().public_bytes(encoding, form) == public


def ascii_text(data: bytes) -> str:
    """Bytes that must be ASCII, as text."""
    try:
        return data.decode("ascii")
    except UnicodeDecodeError:
        raise DecodeError("the value holds bytes beyond ASCII") from None


def _base64(written: str, hint: str) -> bytes:
    try:
        return base64.b64decode(re.sub(r"[\r\n]", "", written), validate=True)
    except (binascii.Error, ValueError):
        raise DecodeError("this is not base64", hint) from None


def _inline_key(value: Any) -> Secret:
    return key_of_32_bytes(text(value))


def _inline_certificates(value: Any) -> bytes:
    return certificates(
        _base64(text(value).strip(), "write base64 of PEM, or name a file by the key ending in _file")
    )


def _inline_private_key(value: Any) -> Secret:
    return private_key(
        _base64(text(value).strip(), "write base64 of PEM, or name a file by the key ending in _file")
    )


def _inline_signing_keys(value: Any) -> Secret:
    return signing_keys(text(value))


Key32 = Annotated[Secret, PlainValidator(_inline_key)]
CertificatesPEM = Annotated[bytes, PlainValidator(_inline_certificates)]
PrivateKeyPEM = Annotated[Secret, PlainValidator(_inline_private_key)]
SigningKeysPEM = Annotated[Secret, PlainValidator(_inline_signing_keys)]
