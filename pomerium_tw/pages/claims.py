"""Claims as they may be shown: never a token, and nothing that only looks like a claim (SE-13)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_CREDENTIALS = frozenset(
    {
        "access_token",
        "refresh_token",
        "id_token",
        "client_secret",
        "password",
        "nonce",
        "at_hash",
        "c_hash",
        "s_hash",
    }
)
"""Last parts of claim names that are never shown, whoever put them there."""

_COMPACT_JOSE = re.compile(r"eyJ[A-Za-z0-9_-]*(?:\.[A-Za-z0-9_-]*){2,4}")
"""A JWS or JWE in compact form (RFC 7515 §7.1, RFC 7516 §7.1)."""

ASSERTION_ENVELOPE = frozenset({"iss", "aud", "exp", "iat", "jti"})
"""Claims about the assertion, not about the person."""


def may_be_shown(name: str, value: Any) -> bool:
    """May this claim appear on a page? Holds for each member of a list and a map."""
    if name.rpartition(".")[2].lower() in _CREDENTIALS:
        return False
    if isinstance(value, str):
        return not _COMPACT_JOSE.fullmatch(value.strip())
    if isinstance(value, Mapping):
        return all(may_be_shown(str(key), inner) for key, inner in value.items())
    if isinstance(value, list | tuple):
        return all(may_be_shown(name, inner) for inner in value)
    return True


def shown_claims(claims: Mapping[str, Any]) -> dict[str, Any]:
    """The claims that may appear, in the order of their names."""
    return {name: value for name, value in sorted(claims.items()) if may_be_shown(name, value)}
