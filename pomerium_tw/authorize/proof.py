"""What upstreams are told of one caller: the claims of the assertion, the assertion, the tokens."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from functools import cached_property
from typing import Any, NamedTuple, Protocol

from ..model import Identity, Route, Secret
from ..token import AssertionSigner


class Tokens(Protocol):
    """What the provider issued; an empty secret where it did not issue that one."""

    @property
    def access_token(self) -> Secret: ...

    @property
    def id_token(self) -> Secret: ...


class IssuedTokens(NamedTuple):
    """The same as a value; without arguments, those of a caller without a session."""

    access_token: Secret = Secret(b"")
    id_token: Secret = Secret(b"")


TokensOf = Callable[[Identity], Tokens]
"""The provider's tokens of the caller's session."""

STANDARD_CLAIMS = frozenset(
    ("iss", "aud", "jti", "iat", "exp", "sub", "user", "email", "groups", "sid", "name")
)
"""What a provider's claims of the same name never replace."""


class Proof:
    """One caller at one host, made when first asked for: not every route needs all of it."""

    def __init__(
        self,
        signer: AssertionSigner,
        tokens_of: TokensOf,
        extra: Collection[str],
        *,
        route: Route,
        host: str,
        identity: Identity,
    ) -> None:
        """``extra``: names of further claims that the assertion holds."""
        self._signer = signer
        self._tokens_of = tokens_of
        self._extra = extra
        self._route = route
        self._host = host
        self._identity = identity
        # Not functools.cached_property: its lock costs 1 µs at each of these.
        self._payload: dict[str, Any] | None = None
        self._unsigned = ""
        self._assertion = ""

    @property
    def payload(self) -> dict[str, Any]:
        """What the assertion says."""
        if self._payload is None:
            claims = claims_of(self._identity, self._extra, self._route.jwt_groups_filter)
            self._payload = self._signer.payload(self._host, claims, self._route.jwt_issuer_format)
        return self._payload

    @property
    def assertion(self) -> str:
        """The payload, signed."""
        self.sign()
        return self._assertion

    def write(self) -> None:
        """Make the assertion now, but for its signature."""
        if not (self._unsigned or self._assertion):
            self._unsigned = self._signer.unsigned(self.payload)

    def sign(self) -> None:
        """Make the assertion now."""
        if not self._assertion:
            self.write()
            self._assertion = self._signer.signed(self._unsigned)
            self._unsigned = ""

    @cached_property
    def tokens(self) -> Tokens:
        return self._tokens_of(self._identity)


def claims_of(identity: Identity, extra: Collection[str], groups_filter: frozenset[str]) -> dict[str, Any]:
    """What an assertion says of the caller, its envelope left out (spec/identity §10.1).

    ``groups_filter``: ids of the directory's groups that may be told; empty for all.
    """
    more = {claim: joined(values) for claim in extra if (values := _values(identity, claim))}
    return {
        **more,
        "sub": identity.user_id,
        "user": identity.user_id,
        "email": _email(identity),
        "groups": _groups(identity, groups_filter),
        "sid": identity.session_id,
        "name": joined(_values(identity, "name")),
    }


def joined(values: Sequence[Any]) -> str:
    """The values of a claim as one text."""
    return ",".join([str(value).lower() if isinstance(value, bool) else str(value) for value in values])


def _email(identity: Identity) -> str:
    """An empty address in the directory counts here, unlike in policies."""
    if identity.directory is not None and identity.directory.email is not None:
        return identity.directory.email
    return identity.user.email if identity.user else ""


def _groups(identity: Identity, groups_filter: frozenset[str]) -> list[str]:
    """Ids, then names. Claims speak only where the directory names no group: no filter holds for them."""
    directory = identity.directory
    if directory is None or not directory.groups:
        return [str(group) for group in _values(identity, "groups")]
    told = directory.groups_among(groups_filter)
    return [group.id for group in told] + [group.name for group in told if group.name]


def _values(identity: Identity, claim: str) -> tuple[Any, ...]:
    """A claim for the upstream: the session's before the user's (unlike the claim criterion)."""
    said = identity.session.claims.get(claim) if identity.session else None
    if said is not None:
        return said
    return identity.user.claims.get(claim, ()) if identity.user else ()
