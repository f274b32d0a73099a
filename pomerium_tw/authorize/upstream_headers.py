"""The headers that tell an upstream who is asking (spec/ppl §7, spec/identity §10)."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..model import ANONYMOUS, MAX_MEMO, Identity, Request, Route
from ..token import AssertionSigner
from .forwarded import FORWARDED_HEADER, ForwardedAssertions
from .proof import STANDARD_CLAIMS, IssuedTokens, Proof, TokensOf, claims_of
from .route_headers import Header, RouteHeaders, joined_headers

REUSE_SECONDS = 120.0
"""An assertion is sent again for this long: the upstream always gets one with three minutes to live."""


@dataclass(frozen=True, slots=True)
class Sent:
    """Everything that the upstream of one request is told. Never printed: it may hold tokens."""

    headers: tuple[tuple[str, str], ...] = field(repr=False)
    """Name and value; values of one name are joined by commas."""
    payload: Mapping[str, Any]
    """What the assertion says."""


@dataclass(frozen=True, slots=True)
class _Remembered:
    """What is the same for one caller on one route for some time."""

    since: float
    """Seconds since the epoch. Before it, which happens when the clock is put back, the assertion would be
    one of the future, and verifiers refuse those."""
    until: float
    """Seconds since the epoch."""
    proof: Proof | None
    """Only where further headers may need it: it refers to the caller, in whose memo this lies, and only the
    garbage collector would ever find the two."""
    lines: bytes = field(repr=False)
    headers: tuple[Header, ...] = field(repr=False)
    """What the lines are made of, only where further headers may have to be joined with them."""


class UpstreamHeaders:
    """Builds header lines; what it has built for a caller lives in the caller's own memo.

    All anonymous callers share one identity. What is built for them lives here, an entry for each route of
    one host: nobody can crowd out what another uses, with many routes or with hosts that he makes up.
    """

    def __init__(
        self,
        signer: AssertionSigner,
        claim_headers: Mapping[str, str],
        now: Callable[[], float],
        generation: int,
        *,
        tokens_of: TokensOf = lambda _identity: IssuedTokens(),
        forwarded: ForwardedAssertions | None = None,
        routes: Iterable[Route] = (),
    ) -> None:
        """``claim_headers``: header name → claim name (``jwt_claims_headers``).

        ``forwarded``: passes on assertions of original users; None passes none. ``routes``: prepared now,
        any other when it is first met.
        """
        self._signer = signer
        self._claim_headers = dict(claim_headers)
        self._extra = tuple(
            dict.fromkeys(claim for claim in claim_headers.values() if claim not in STANDARD_CLAIMS)
        )
        self._now = now
        self._generation = generation
        self._tokens_of = tokens_of
        self._forwarded = forwarded
        self._routes = {route.id: RouteHeaders(route, self._claim_headers) for route in routes}
        self._of_nobody: dict[str, _Remembered] = {}
        """Route id → what anonymous callers of its host get."""

    def unproved(self, request: Request, route: Route, identity: Identity) -> Proof | None:
        """The proof that :meth:`lines` will have to make; None where it is made, or none is sent.

        For whoever handles many requests at once, and makes the steps of their proofs in a row.
        """
        prepared = self._routes.get(route.id) or self._prepare(route)
        if not prepared.passes:
            return None
        if self._remembered(request, route, identity) is not None:
            return None
        return self._proof(request, route, identity)

    def lines(
        self, request: Request, route: Route, identity: Identity, proof: Proof | None = None
    ) -> tuple[bytes, float, float]:
        """Header lines with their CRLFs, since when and until when they hold (seconds since the epoch).

        They are the same for every request with this header block, certificate, host and caller.
        ``proof``: of :meth:`unproved`, if that was asked.
        """
        prepared = self._routes.get(route.id) or self._prepare(route)
        if prepared.constant is not None:
            return prepared.constant, -math.inf, math.inf
        found = self._remembered(request, route, identity)
        if found is None:
            found = self._remember(request, route, prepared, identity, proof)
        if found.proof is not None or (
            prepared.passes and self._forwarded is not None and self._forwarded.sent(request.head)
        ):
            forwarded, until = self._passed_on(request, prepared, identity)
            # What did not travel on because it was over might, were the clock put back.
            since, until = self._now(), min(until, found.until)
            if found.proof is None and prepared.distinct:
                return found.lines + prepared.lines(forwarded), since, until
            moving = prepared.configured(request, found.proof) if found.proof is not None else ()
            return prepared.lines((*found.headers, *moving, *forwarded)), since, until
        return found.lines, found.since, found.until

    def headers(self, request: Request, route: Route, identity: Identity) -> Sent:
        """The same headers as names and values, nothing remembered."""
        prepared = RouteHeaders(route, self._claim_headers)
        proof = self._proof(request, route, identity)
        forwarded, _until = self._passed_on(request, prepared, identity)
        headers = joined_headers(
            (*prepared.of_caller(proof), *prepared.configured(request, proof), *forwarded)
        )
        return Sent(tuple((name, value.decode("utf-8", "replace")) for name, value in headers), proof.payload)

    def claims(self, identity: Identity, groups_filter: frozenset[str] = frozenset()) -> dict[str, Any]:
        """What an assertion says of the caller, its envelope left out (spec/identity §10.1)."""
        return claims_of(identity, self._extra, groups_filter)

    def _prepare(self, route: Route) -> RouteHeaders:
        prepared = self._routes[route.id] = RouteHeaders(route, self._claim_headers)
        return prepared

    def _proof(self, request: Request, route: Route, identity: Identity) -> Proof:
        return Proof(
            self._signer, self._tokens_of, self._extra, route=route, host=request.host, identity=identity
        )

    def _remembered(self, request: Request, route: Route, identity: Identity) -> _Remembered | None:
        found: _Remembered | None
        if identity is ANONYMOUS:
            found = self._of_nobody.get(route.id) if request.host == route.host else None
        else:
            found = identity.memo.get((self._generation, route.id, request.host))
        return found if found is not None and found.since <= self._now() < found.until else None

    def _remember(
        self,
        request: Request,
        route: Route,
        prepared: RouteHeaders,
        identity: Identity,
        proof: Proof | None,
    ) -> _Remembered:
        proof = proof or self._proof(request, route, identity)
        headers = prepared.of_caller(proof)
        since = self._now()
        until = since + REUSE_SECONDS
        if prepared.moving:
            made = _Remembered(since, until, proof, b"", headers)
        else:
            headers += prepared.configured(request, proof)
            lines = prepared.lines(headers)
            made = _Remembered(since, until, None, lines, () if prepared.distinct else headers)
        if identity is ANONYMOUS:
            if request.host == route.host:
                self._of_nobody[route.id] = made
        else:
            if len(identity.memo) >= MAX_MEMO:
                identity.memo.clear()
            identity.memo[self._generation, route.id, request.host] = made
        return made

    def _passed_on(
        self, request: Request, prepared: RouteHeaders, identity: Identity
    ) -> tuple[tuple[Header, ...], float]:
        if self._forwarded is None or not prepared.passes:
            return (), math.inf
        value, until = self._forwarded.passed(request.head, identity)
        return ((FORWARDED_HEADER, value),) if value else (), until


def routing_key(session_id: str) -> str:
    """``x-pomerium-routing-key``: what keeps a session at one upstream (spec/ppl §7). "" for no session."""
    return hashlib.sha256(session_id.encode()).hexdigest() if session_id else ""
