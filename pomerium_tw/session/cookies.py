"""Our cookies: how they are written, read, and told apart from the application's."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import Literal

AUTHENTICATE_SUFFIX = "_authenticate"
HOST_PREFIX = "__Host-"
FLOW_SUFFIX = "_flow_"
MAX_COOKIE_CANDIDATES = 4
"""Cookies of one name that are looked at: a sibling host can plant some beside ours (SE-02)."""

SameSite = Literal["", "lax", "strict", "none"]


@dataclass(frozen=True, slots=True)
class CookieSettings:
    """The ``cookie_*`` settings (spec/identity §6.1)."""

    name: str = "_pomerium"
    domain: str = ""
    """Without a leading dot. Empty: host-only everywhere; else on hosts outside of it."""
    http_only: bool = True
    expire: float = 14 * 3600.0
    """Seconds that a session, and the cookie that refers to it, lives."""
    same_site: SameSite = ""
    _host_only: str = field(init=False, repr=False, compare=False)
    """Asked for by every request: made once."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "_host_only", HOST_PREFIX + self.name)

    def set_by(self, host: str) -> CookieSettings:
        """The settings in effect where ``host`` sets the cookies.

        Browsers take no cookie for a domain from a host outside of it: then the domain counts nowhere.
        """
        return self if self.covers(host) else replace(self, domain="")

    def covers(self, host: str) -> bool:
        """Whether the cookie of the domain is that of ``host``."""
        return bool(self.domain) and (host == self.domain or host.endswith(f".{self.domain}"))

    def session_name(self, host: str) -> str:
        """The cookie of the session at a route's host.

        Outside of the domain it has a prefix that browsers grant to the host itself alone: no sibling host
        can plant one (RFC 6265bis §4.1.3.2; spec/threats SE-02).
        """
        return self.name if self.domain and self.covers(host) else self._host_only

    @property
    def authenticate_name(self) -> str:
        """The authenticate service's own cookie, so that a route cookie never stands in for it."""
        return HOST_PREFIX + self.name + AUTHENTICATE_SUFFIX

    def session(self, value: str, host: str) -> bytes:
        """Set-Cookie for the session at a route's host: that of the whole domain where it covers the host."""
        return self._set(self.session_name(host), value, self._domain_of(host), int(self.expire))

    def authenticate(self, value: str) -> bytes:
        """Set-Cookie for the session of the authenticate host."""
        return self._set(self.authenticate_name, value, "", int(self.expire))

    def clear_session(self, host: str) -> bytes:
        """Set-Cookie that removes the session cookie of a route's host."""
        return self._set(self.session_name(host), "", self._domain_of(host), 0)

    def clear_authenticate(self) -> bytes:
        """Set-Cookie that removes the authenticate host's session cookie."""
        return self._set(self.authenticate_name, "", "", 0)

    def _domain_of(self, host: str) -> str:
        return self.domain if self.covers(host) else ""

    def _set(self, name: str, value: str, domain: str, seconds: int) -> bytes:
        attributes = [f"{name}={value}", "Path=/"]
        if domain:
            attributes.append(f"Domain={domain}")
        attributes += [f"Max-Age={seconds}", "Secure"]
        if self.http_only:
            attributes.append("HttpOnly")
        if self.same_site:
            attributes.append(f"SameSite={self.same_site.capitalize()}")
        return "; ".join(attributes).encode("ascii")


def owned_cookie_pattern(name: str) -> re.Pattern[bytes]:
    """Names of every cookie that we set for the cookie name ``name``."""
    suffixes = f"(?:{re.escape(AUTHENTICATE_SUFFIX)}|{re.escape(FLOW_SUFFIX)}[A-Za-z0-9_-]+)?"
    return re.compile(f"(?:{HOST_PREFIX})?{re.escape(name)}{suffixes}".encode())


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
