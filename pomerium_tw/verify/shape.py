"""What a token must look like before a key is even looked up (spec/threats JW-01, JW-03..JW-05, JW-09).

Everything here is linear in the token's length and bounded by :data:`MAX_TOKEN`.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
from dataclasses import dataclass
from typing import Any

from .errors import VerificationError

MAX_TOKEN = 65_536
"""Characters of a whole token; real ones are under 2 kB, long lists of groups included."""

MAX_HEADER = 4_096
"""Characters of the encoded JOSE header."""

MAX_KEY_ID = 256
"""Characters of ``kid``; ours are 64."""

_JWE_PARTS = 5


@dataclass(frozen=True, slots=True)
class TokenShape:
    """What the unverified token claims about itself; only :attr:`key_id` is acted on, as a dictionary key."""

    key_id: str
    algorithm: str


def inspect_token(token: str) -> TokenShape:
    """Check size, shape and JOSE header of a compact JWS (RFC 7515 §7.1).

    Raises VerificationError. Headers that bring keys (``jwk``, ``jku``, ``x5u``, ``x5c``) are not read.
    """
    if not isinstance(token, str) or not token:
        raise VerificationError(
            "there is no assertion: the request did not come through the proxy, or its route does not set "
            "pass_identity_headers"
        )
    if len(token) > MAX_TOKEN:
        raise VerificationError(f"the assertion is longer than {MAX_TOKEN} characters")
    dots = token.count(".")
    if dots + 1 == _JWE_PARTS:
        raise VerificationError("the token is encrypted (five parts); an assertion is signed and has three")
    if dots != 2:
        raise VerificationError(f"an assertion has three parts separated by dots, this text has {dots + 1}")
    header, payload, signature = token.split(".")
    if len(header) > MAX_HEADER:
        raise VerificationError(f"the assertion's header is longer than {MAX_HEADER} characters")
    for part, name in ((payload, "payload"), (signature, "signature")):
        _decode(part, name)
    return _read_header(strict_json(_decode(header, "header"), "header"))


def _read_header(header: dict[str, Any]) -> TokenShape:
    for name in ("crit", "zip", "b64", "enc"):
        if name in header:
            raise VerificationError(f"the assertion's header holds {name!r}, which assertions never use")
    kind = header.get("typ", "JWT")
    if not isinstance(kind, str) or kind.upper() != "JWT":
        raise VerificationError("the token is of another type than JWT")
    algorithm, key_id = header.get("alg"), header.get("kid")
    if not isinstance(algorithm, str) or algorithm.lower() in {"", "none"}:
        raise VerificationError("the token is not signed")
    if not isinstance(key_id, str) or not 0 < len(key_id) <= MAX_KEY_ID:
        raise VerificationError("the assertion does not name its key (kid)")
    return TokenShape(key_id, algorithm)


def _decode(part: str, name: str) -> bytes:
    """Base64url without padding, in its one canonical spelling: no two texts are the same token."""
    try:
        raw = base64.b64decode(part.encode("ascii") + b"=" * (-len(part) % 4), altchars=b"-_", validate=True)
    except (UnicodeEncodeError, binascii.Error):
        raw = b""
    if not raw or base64.urlsafe_b64encode(raw).rstrip(b"=").decode() != part:
        raise VerificationError(f"the assertion's {name} is not base64url text")
    return raw


def strict_json(raw: bytes, name: str) -> dict[str, Any]:
    """A JSON object without duplicate names, NaN, infinities or lone surrogates (RFC 8725 §2.4 in spirit).

    ``name`` says in the message what was read. Raises VerificationError.
    """
    try:
        value = json.loads(
            raw.decode("utf-8"),
            object_pairs_hook=_unique,
            parse_constant=_no_constant,
            parse_float=_finite,
        )
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except (ValueError, RecursionError) as error:
        raise VerificationError(f"the {name} is not proper JSON") from error
    if not isinstance(value, dict):
        raise VerificationError(f"the {name} is not a JSON object")
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("duplicate names")
    return value


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("number out of range")
    return number
