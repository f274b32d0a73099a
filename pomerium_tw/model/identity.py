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


@dataclass(frozen=True)
class DirectoryGroup:
    """A group of the directory; ``name`` is "" where the directory has no record of it."""

    id: str
    name: str = ""


@dataclass(frozen=True)
class DirectoryUser:
    """What the directory says of a user (spec/identity, directory sync)."""

    id: str
    email: str | None = None
    """None where the record has no such field; "" where it is there and empty."""
    groups: tuple[DirectoryGroup, ...] = ()

    @cached_property
    def group_ids(self) -> tuple[str, ...]:
        return tuple(group.id for group in self.groups)


@dataclass(frozen=True)
class Device:
    """A device credential of the session whose record is known (spec/ppl §4.6)."""

    id: str
    """Of the credential."""
    enrolled: bool = False
    """Its enrolment is known too."""
    approved: bool = False
    """Somebody approved the enrolment."""


NO_DEVICES: Mapping[str, Device] = MappingProxyType({})


@dataclass(frozen=True, eq=False)
class Identity:
    """Everything known of the caller at one moment; a new object whenever one of its records changes."""

    session: Session | None = None
    """Whose rights count: the impersonated session where one is impersonated."""
    user: User | None = None
    directory: DirectoryUser | None = None
    devices: Mapping[str, Device] = field(default_factory=lambda: NO_DEVICES)
    """Device type → the first credential of that type."""
    presented: Session | None = None
    """The session that the request itself named, where it impersonates another one."""
    memo: dict[Any, Any] = field(default_factory=dict, repr=False)
    """Derived values (assertions, header blocks) that live exactly as long as these records; each user of it
    keys its own entries and bounds them."""

    @property
    def user_id(self) -> str:
        """The session's user id, or "" for an anonymous caller."""
        return self.session.user_id if self.session else ""

    @property
    def session_id(self) -> str:
        """The id of the session that the request named, or ""."""
        session = self.presented or self.session
        return session.id if session else ""

    @cached_property
    def email(self) -> str:
        """The directory's address where it has one, else the user's, else "" (spec/ppl §4.1)."""
        if self.directory and self.directory.email:
            return self.directory.email
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
