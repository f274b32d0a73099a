"""The provider's own memory of browsers: who is signed in, and which forms were given out to whom."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from twisted.internet.interfaces import IReactorTime
from twisted.web.server import Request

from .bounded import Expiring
from .messages import AuthorizationRequest

SESSION_LIFETIME = 28_800.0
"""Seconds for which a browser stays signed in here."""

FORM_LIFETIME = 600.0
"""Seconds in which a form must come back."""

_SESSIONS = 1_000
_FORMS = 1_000
_BROWSERS = 5_000


@dataclass(frozen=True, slots=True)
class BrowserSession:
    """A person signed in at this provider."""

    subject: str
    auth_time: int
    """Seconds since the epoch."""


@dataclass(frozen=True, slots=True)
class PendingSignIn:
    """A sign-in form that was given to one browser."""

    browser: str
    request: AuthorizationRequest


@dataclass(frozen=True, slots=True)
class PendingSignOut:
    """A sign-out confirmation that was given to one browser."""

    browser: str
    redirect_uri: str
    """Where to go afterwards: registered, state added, or ""."""


class Browsers:
    """Sessions and forms behind two cookies of this host alone.

    One cookie names the browser, so that a form answers only where it was given out (no login CSRF); the
    other names the session and is new with each sign-in (no fixation).
    """

    def __init__(self, issuer: str, clock: IReactorTime, random: Callable[[int], bytes]) -> None:
        self._secure = issuer.startswith("https://")
        self._session_cookie = self._cookie_name("idp-session")
        self._browser_cookie = self._cookie_name("idp-browser")
        self._sessions: Expiring[BrowserSession] = Expiring(
            clock, random, lifetime=SESSION_LIFETIME, size=_SESSIONS
        )
        self._browsers: Expiring[bool] = Expiring(clock, random, lifetime=SESSION_LIFETIME, size=_BROWSERS)
        self.sign_ins: Expiring[PendingSignIn] = Expiring(clock, random, lifetime=FORM_LIFETIME, size=_FORMS)
        self.sign_outs: Expiring[PendingSignOut] = Expiring(
            clock, random, lifetime=FORM_LIFETIME, size=_FORMS
        )

    def identify(self, request: Request) -> str:
        """The browser's name, "" when it has none that we gave."""
        name = self._read(request, self._browser_cookie)
        return name if self._browsers.get(name) else ""

    def ensure(self, request: Request) -> str:
        """The browser's name; a new one is set as a cookie."""
        name = self.identify(request)
        if not name:
            name = self._browsers.put(True)
            self._write(request, self._browser_cookie, name)
        return name

    def session(self, request: Request) -> BrowserSession | None:
        """Who is signed in in this browser."""
        return self._sessions.get(self._read(request, self._session_cookie))

    def sign_in(self, request: Request, session: BrowserSession) -> None:
        """Replace whatever session the browser has by a new one."""
        self._sessions.pop(self._read(request, self._session_cookie))
        self._write(request, self._session_cookie, self._sessions.put(session))

    def sign_out(self, request: Request) -> None:
        """End the browser's session here."""
        self._sessions.pop(self._read(request, self._session_cookie))
        self._write(request, self._session_cookie, "", max_age=0)

    def _cookie_name(self, name: str) -> bytes:
        """The prefix makes browsers insist on Secure, this host and the path / (RFC 6265bis §4.1.3.2)."""
        return f"__Host-{name}".encode() if self._secure else name.encode()

    @staticmethod
    def _read(request: Request, name: bytes) -> str:
        return (request.getCookie(name) or b"").decode("ascii", "replace")

    def _write(self, request: Request, name: bytes, value: str, max_age: int | None = None) -> None:
        request.addCookie(
            name,
            value.encode(),
            path=b"/",
            secure=self._secure,
            httpOnly=True,
            sameSite=b"lax",
            max_age=None if max_age is None else str(max_age).encode(),
        )
