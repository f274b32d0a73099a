"""What a verified assertion says (spec/identity §10.1)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from .errors import VerificationError


@dataclass(frozen=True, slots=True)
class Assertion:
    """Who the proxy says is asking."""

    user_id: str
    """Stable id of the user; "" for a caller without a session on a public route (see :attr:`anonymous`)."""
    email: str
    """"" when unknown."""
    groups: tuple[str, ...]
    """Ids, then names, of the user's groups."""
    name: str
    session_id: str
    claims: Mapping[str, Any]
    """Every claim as signed; read-only."""

    @property
    def anonymous(self) -> bool:
        """The proxy let the request pass without a sign-in: the proof is genuine, and proves nobody."""
        return not self.user_id

    @classmethod
    def from_claims(cls, claims: Mapping[str, Any]) -> Assertion:
        """Read the fields of verified claims; absent ones are empty.

        Raises VerificationError on a wrong type.
        """
        groups = claims.get("groups") or []
        if not isinstance(groups, list) or not all(isinstance(group, str) for group in groups):
            raise VerificationError("the claim 'groups' is not a list of texts")
        return cls(
            user_id=_text(claims, "sub"),
            email=_text(claims, "email"),
            groups=tuple(groups),
            name=_text(claims, "name"),
            session_id=_text(claims, "sid"),
            claims=MappingProxyType(dict(claims)),
        )


def _text(claims: Mapping[str, Any], name: str) -> str:
    value = claims.get(name) or ""
    if not isinstance(value, str):
        raise VerificationError(f"the claim {name!r} is not a text")
    return value
