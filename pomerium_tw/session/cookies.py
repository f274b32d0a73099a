"""Our cookies: how they are written, read, and told apart from the application's."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

AUTHENTICATE_SUFFIX = "_authenticate"
FLOW_SUFFIX = "_flow_"
MAX_COOKIE_CANDIDATES = 4
"""Cookies of one name that are looked at: a sibling host can plant some beside ours (SE-02)."""

SameSite = Literal["", "lax", "strict", "none"]


@dataclass(frozen=True, slots=True)
class CookieSettings:
    """The ``cookie_*`` settings (spec/identity §6.1)."""

    name: str = "_pomerium"
    domain: str = ""
    """Empty: host-only."""
    http_only: bool = True
    expire: float = 14 * 3600.0
    """Seconds that a session, and the cookie that refers to it, lives."""
    same_site: SameSite = ""

    @property
    def authenticate_name(self) -> str:
        """The authenticate service's own cookie, so that a route cookie never stands in for it."""
        return self.name + AUTHENTICATE_SUFFIX

    def session(self, value: str, name: str = "") -> bytes:
        """Set-Cookie for a session handle."""
        attributes = [f"{name or self.name}={value}", "Path=/"]
        if self.domain and not name:
            attributes.append(f"Domain={self.domain}")
        attributes += [f"Max-Age={int(self.expire)}", "Secure"]
        if self.http_only:
            attributes.append("HttpOnly")
        return self._finish(attributes)

    def clear(self, name: str = "") -> bytes:
        """Set-Cookie that removes a session cookie."""
        attributes = [f"{name or self.name}=", "Path=/"]
        if self.domain and not name:
            attributes.append(f"Domain={self.domain}")
        return self._finish([*attributes, "Max-Age=0", "Secure", "HttpOnly"])

    def _finish(self, attributes: list[str]) -> bytes:
        if self.same_site:
            attributes.append(f"SameSite={self.same_site.capitalize()}")
        return "; ".join(attributes).encode("ascii")


def owned_cookie_pattern(name: str) -> re.Pattern[bytes]:
    """Names of every cookie that we set for the cookie name ``name``."""
    suffixes = f"(?:{re.escape(AUTHENTICATE_SUFFIX)}|{re.escape(FLOW_SUFFIX)}[A-Za-z0-9_-]+)?"
    return re.compile((re.escape(name) + suffixes).encode())


def cookie_values(header: bytes | None, name: str) -> list[str]:
    """Values of every cookie called ``name``, in the order sent.

    Quotes are part of the value (RFC 6265 §4.2).
    """
    found: list[str] = []
    if not header:
        return found
    wanted = name.encode() + b"="
    at = header.find(wanted)
    while at >= 0 and len(found) < MAX_COOKIE_CANDIDATES:
        start = at
        while start and header[start - 1] in b" \t":
            start -= 1
        if not start or header[start - 1 : start] == b";":
            end = header.find(b";", at)
            value = header[at + len(wanted) : end if end >= 0 else None]
            found.append(value.rstrip(b" \t").decode("latin-1"))
        at = header.find(wanted, at + len(wanted))
    return found
