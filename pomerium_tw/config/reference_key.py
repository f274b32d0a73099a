"""The shape of one row of the reference."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Status(Enum):
    """What the loader does with a key."""

    BUILT = "built"
    """Pomerium's key, in force."""
    OURS = "ours"
    """Our own key, in force."""
    NOT_BUILT = "not built yet"
    """Accepted and ignored, with one warning."""
    REFUSED = "not built yet, refused"
    """Stops start-up: ignoring it would let in callers that it is meant to keep out."""
    FOREIGN = "of no use here"
    """Pomerium's key for Envoy or for its Enterprise and Zero products: accepted with one line."""
    REMOVED = "removed"
    """Removed by Pomerium: stops start-up with help."""


@dataclass(frozen=True, slots=True)
class Key:
    """One configuration key."""

    name: str
    status: Status
    type: str
    """The shape of the value, in the words of the manual."""
    default: str
    """The default as it would be written; "" for none."""
    text: str
    """What the key does; for a removed key, what to do instead."""
    env: bool = True
    """Whether an environment variable of the same name in upper case sets it (top level only)."""
    env_name: str = ""
    """The variable, where it is not the key in upper case."""
    members: tuple[str, ...] = ()
    """Members of a nested mapping that have environment variables of their own."""
    harmless: frozenset[str] = frozenset()
    """Values (lower case) of a refused key that ask for what happens anyway."""


def names(listed: str) -> tuple[str, ...]:
    """Key names written one after the other."""
    return tuple(listed.split())
