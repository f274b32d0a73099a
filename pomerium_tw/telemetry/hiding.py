"""Codes and tokens in addresses: whoever reads a log must not become the caller (spec/threats LG-02)."""

from __future__ import annotations

import re
from urllib.parse import unquote_to_bytes

STARS = "********"
_STARS = STARS.encode()

_SECRET_NAME = re.compile(
    rb"\Apomerium_|token|secret|passw|signature|assertion|credential|jwt|session|saml|code(?![a-z])"
    rb"|(?<![a-z])(?:api[-_]?key|auth|key|otp|pin|pwd|relaystate|sid|sig|state|ticket)(?![a-z])",
    re.IGNORECASE,
)
"""Names of parameters whose values are hidden, rather one too many: ours can hold whole addresses."""
_PARAMETER = re.compile(rb"[^&;#]+")
_QUERY = re.compile(rb"(?<=[?#]).+", re.DOTALL)
_ENDS_PATH = re.compile(rb"[?#]|%(?:25)*(?:3[Ff]|23)")
_SLASH = re.compile(rb"/|%(?:25)*2[Ff]")
"""These two in an address inside of a value too, however often it was escaped."""


def without_secrets(query: bytes) -> bytes:
    """A query with stars in place of what proves who somebody is. Takes time in proportion to its length."""
    return _PARAMETER.sub(_hide, query)


def hidden_in_url(value: bytes) -> bytes:
    """A header's value; where it is an address, its query is :func:`without_secrets`."""
    return _QUERY.sub(lambda query: without_secrets(query[0]), value, count=1)


def _hide(parameter: re.Match[bytes]) -> bytes:
    name, equals, value = parameter[0].partition(b"=")
    if not value:
        return parameter[0]
    if _SECRET_NAME.search(unquote_to_bytes(name) if b"%" in name else name):
        value = _STARS
    else:
        end = _ENDS_PATH.search(value)
        # An address in a value, such as the one to come back to.
        if end is not None and _SLASH.search(value, 0, end.start()):
            value = value[: end.end()] + _STARS
    return name + equals + value
