"""Who is asking, as policies, assertions and pages see it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import Any

Claims = Mapping[str, tuple[Any, ...]]
"""Flat claims: dotted name → values (strings, numbers, booleans); scalars are one-element tuples."""

NO_CLAIMS: Claims = MappingProxyType({})


@dataclass(frozen=True)
class Session:
    """A signed-in browser or program (spec/identity §6.4), without its tokens."""

    id: str
    user_id: str
    idp_id: str
    issued_at: float
    """Seconds since the epoch."""
    expires_at: float
    """Seconds since the epoch; the session is dead from then on."""
    claims: Claims = field(default_factory=lambda: NO_CLAIMS)
    version: int = 0
    """Record version in the databroker."""
    audience: tuple[str, ...] = ()


@dataclass(frozen=True)
class User:
    """A person or program known to the identity provider."""

    id: str
    name: str = ""
    email: str = ""
    claims: Claims = field(default_factory=lambda: NO_CLAIMS)
    version: int = 0


@dataclass(frozen=True, eq=False)
class Identity:
    """Everything known of the caller at one moment; a new object whenever one of its records changes."""

    session: Session | None = None
    user: User | None = None
    memo: dict[Any, Any] = field(default_factory=dict, repr=False)
    """Derived values (assertions, header blocks) that live exactly as long as these records; each user of it
    keys its own entries and bounds them."""

    @property
    def user_id(self) -> str:
        """The session's user id, or "" for an anonymous caller."""
        return self.session.user_id if self.session else ""

    @property
    def email(self) -> str:
        return self.user.email if self.user else ""

    @cached_property
    def claims(self) -> Claims:
        """Session claims overlaid by user claims: the user's win (spec/ppl §4.3)."""
        merged: dict[str, tuple[Any, ...]] = {}
        if self.session:
            merged.update(self.session.claims)
        if self.user:
            merged.update(self.user.claims)
        return MappingProxyType(merged)


ANONYMOUS = Identity()
"""A caller without a session."""


def flatten_claims(claims: Mapping[str, Any]) -> dict[str, tuple[Any, ...]]:
    """Provider claims in the stored form: nested maps become dotted names, scalars one-element tuples.

    Null values are dropped; members of lists that are not scalars are dropped too (spec/identity §2.3).
    """
    flat: dict[str, tuple[Any, ...]] = {}

    def visit(prefix: str, value: Any) -> None:
        if isinstance(value, Mapping):
            for key, inner in value.items():
                visit(f"{prefix}.{key}" if prefix else str(key), inner)
        elif isinstance(value, list | tuple):
            flat[prefix] = tuple(item for item in value if isinstance(item, str | int | float | bool))
        elif value is not None:
            flat[prefix] = (value,)

    visit("", claims)
    return flat
