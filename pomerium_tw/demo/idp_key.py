"""The identity provider's signing key, kept: ID tokens and key caches outlive a restart."""

from __future__ import annotations

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from .idp import make_signing_key
from .state import StateFolder

_FILE = "idp-key.pem"


def ensure_idp_key(state: StateFolder) -> rsa.RSAPrivateKey:
    """Read the key, making it on the first start. Raises DemoError."""
    pem = state.read(_FILE)
    if pem is None:
        key = make_signing_key()
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        state.write(_FILE, pem)
        return key
    try:
        loaded = serialization.load_pem_private_key(pem, None)
    except (ValueError, TypeError) as error:
        raise state.unreadable(_FILE, "cannot be read as PEM") from error
    if not isinstance(loaded, rsa.RSAPrivateKey):
        raise state.unreadable(_FILE, "is not an RSA key")
    return loaded
