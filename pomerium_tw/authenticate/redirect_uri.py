"""Where we send browsers.

Checked with a browser's eyes, even though every address is signed (RD-01..09, R3).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import urlsplit

MAX_REDIRECT_CHARACTERS = 2000
"""Longest address that a sign-in remembers: it travels inside the state, and providers bound their URLs."""

_SAFE = re.compile(r"[!#-;=?-\[\]-~]+")
"""Printable ASCII without blank, ``"``, ``<``, ``>`` and ``\\``.

Browsers leave some others bare in queries.
"""
_AUTHORITY = re.compile(r"(?:[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?")


class RedirectError(ValueError):
    """The address is not one that a browser may be sent to."""


def redirect_authority(uri: str, schemes: Sequence[str] = ("https",)) -> str:
    """``host[:port]`` in lower case of an address that a browser may be sent to. Raises RedirectError.

    A host, a scheme of ``schemes``, no user information, nothing that a browser would read as something else.
    """
    if not _SAFE.fullmatch(uri):
        raise RedirectError("the address holds characters that no URL may hold")
    scheme, separator, rest = uri.partition("://")
    if not separator or scheme.lower() not in schemes:
        raise RedirectError("the address is not an absolute https URL")
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0].lower()
    try:
        same = urlsplit(uri).netloc.lower() == authority
        _ = urlsplit(uri).port
    except ValueError:
        same = False
    if not same or not _AUTHORITY.fullmatch(authority):
        raise RedirectError("the address has no plain host name")
    return authority


def host_of(authority: str) -> str:
    """The host name of ``host[:port]``; IPv6 literals keep their brackets."""
    host, colon, port = authority.rpartition(":")
    return host if colon and port.isdecimal() and not host.endswith(":") else authority
