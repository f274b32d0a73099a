"""``X-Pomerium-Jwt-Assertion-For``: for whom a program asks that calls another one (spec/identity §8.4)."""

from __future__ import annotations

import math
from collections.abc import Callable

from ..model import Head, Identity
from ..token import SigningKeys

FORWARDED_HEADER = "X-Pomerium-Jwt-Assertion-For"
MAX_FORWARDED_BYTES = 16 * 1024
"""Longest assertion that is passed on; one with 300 groups has half of that."""

_FOR = b"x-pomerium-jwt-assertion-for"
_ASSERTION = b"x-pomerium-jwt-assertion"
_NOTHING = (b"", math.inf)


class ForwardedAssertions:
    """Which assertion of a request travels on as the one of the original user.

    By default only a genuine one does, of a caller who is signed in himself: anybody could write one
    (spec/threats HS-08, spec/identity R14).
    """

    def __init__(
        self, keys: SigningKeys, now: Callable[[], float], *, grace: float = 0.0, unverified: bool = False
    ) -> None:
        """``grace``: seconds past its end that an assertion still counts. ``unverified``: any text passes."""
        self._keys = keys
        self._now = now
        self._grace = grace
        self._unverified = unverified

    @staticmethod
    def sent(head: Head) -> bytes:
        """What the client sent: the original user's assertion, or else its caller's own; b"" for neither.

        More than one value is none, and so is one that is too long.
        """
        value = head.get(_FOR) or head.get(_ASSERTION) or b""
        return b"" if b"," in value or len(value) > MAX_FORWARDED_BYTES else value

    def passed(self, head: Head, identity: Identity) -> tuple[bytes, float]:
        """The value that travels on, b"" for none, and until when that holds (seconds since the epoch)."""
        value = self.sent(head)
        if self._unverified or not value:
            return value, math.inf
        if identity.session is None:
            return _NOTHING
        claims = self._keys.read(value.decode("latin-1"))
        expires = claims.get("exp") if claims is not None else None
        if type(expires) is not int or expires + self._grace <= self._now():
            return _NOTHING
        return value, expires + self._grace
