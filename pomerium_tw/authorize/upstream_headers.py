"""The headers that tell an upstream who is asking (spec/ppl §7, spec/identity §10)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..model import ANONYMOUS, Identity, Request, Route
from ..token import AssertionSigner

ASSERTION_HEADER = b"X-Pomerium-Jwt-Assertion"
REUSE_SECONDS = 60.0
"""An assertion is sent again for this long: the upstream always gets one with four minutes to live."""
MAX_MEMO = 64
"""Header blocks remembered for one caller."""

_UNPRINTABLE = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]+")
_STANDARD = frozenset(("iss", "aud", "jti", "iat", "exp", "sub", "user", "email", "groups", "sid", "name"))


class UpstreamHeaders:
    """Builds identity header lines; what it has built for a caller lives in the caller's own memo."""

    def __init__(
        self,
        signer: AssertionSigner,
        claim_headers: Mapping[str, str],
        now: Callable[[], float],
        generation: int,
    ) -> None:
        """``claim_headers``: header name → claim name (``jwt_claims_headers``)."""
        self._signer = signer
        self._claim_headers = dict(claim_headers)
        self._extra = tuple(
            dict.fromkeys(claim for claim in claim_headers.values() if claim not in _STANDARD)
        )
        self._now = now
        self._generation = generation

    def lines(self, request: Request, route: Route, identity: Identity) -> bytes:
        """Header lines with their CRLFs; empty where the route does not pass identity headers."""
        if not route.pass_identity_headers:
            return b""
        memo = identity.memo
        key = (self._generation, route.id, request.host)
        found = memo.get(key)
        now = self._now()
        if found is not None and found[0] > now:
            lines: bytes = found[1]
            return lines
        lines = self._build(request, route, identity)
        # All anonymous callers share one identity: hosts that they make up must not crowd each other out.
        if identity is not ANONYMOUS or "*" not in route.host:
            if len(memo) >= MAX_MEMO:
                memo.clear()
            memo[key] = (now + REUSE_SECONDS, lines)
        return lines

    def claims(self, identity: Identity) -> dict[str, Any]:
        """What an assertion says of the caller, its envelope left out (spec/identity §10.1)."""
        extra = {claim: _joined(values) for claim in self._extra if (values := _values(identity, claim))}
        return {
            **extra,
            "sub": identity.user_id,
            "user": identity.user_id,
            "email": identity.email,
            "groups": [str(group) for group in _values(identity, "groups")],
            "sid": identity.session.id if identity.session else "",
            "name": _joined(_values(identity, "name")),
        }

    def _build(self, request: Request, route: Route, identity: Identity) -> bytes:
        payload = self._signer.payload(request.host, self.claims(identity), route.jwt_issuer_format)
        token = self._signer.sign(payload)
        lines = [ASSERTION_HEADER + b": " + token.encode("ascii") + b"\r\n"]
        for header, claim in self._claim_headers.items():
            # Out of the assertion: a header must never say what the signed proof does not.
            said = payload.get(claim, "")
            value = _header_value(_joined(said if isinstance(said, list) else (said,)))
            lines.append(header.encode("ascii") + b": " + value + b"\r\n")
        return b"".join(lines)


def _values(identity: Identity, claim: str) -> tuple[Any, ...]:
    """A claim for the upstream: the session's before the user's (unlike the claim criterion)."""
    if identity.session and claim in identity.session.claims:
        return identity.session.claims[claim]
    return identity.user.claims.get(claim, ()) if identity.user else ()


def _joined(values: Sequence[Any]) -> str:
    return ",".join(str(value).lower() if isinstance(value, bool) else str(value) for value in values)


def _header_value(text: str) -> bytes:
    """A claim as one header value: it must never end the line that it stands on."""
    return _UNPRINTABLE.sub(b" ", text.encode("utf-8", "replace")).strip()
