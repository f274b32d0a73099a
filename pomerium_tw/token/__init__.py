"""Keys and what they make: sub-keys, sealed values, signed URLs, assertions and the JWKS.

Pure: no I/O, no Twisted.
"""

from .assertion import ASSERTION_LIFETIME, AssertionSigner
from .seal import Sealer, SealError, decode, encode
from .signed_url import SignatureError, SignedURLs
from .signing import SigningKeyError, SigningKeys, VerificationKey, derive_signing_key, load_signing_keys
from .subkeys import subkey

__all__ = [
    "ASSERTION_LIFETIME",
    "AssertionSigner",
    "SealError",
    "Sealer",
    "SignatureError",
    "SignedURLs",
    "SigningKeyError",
    "SigningKeys",
    "VerificationKey",
    "decode",
    "derive_signing_key",
    "encode",
    "load_signing_keys",
    "subkey",
]
