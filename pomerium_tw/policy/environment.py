"""What a compiled policy reads besides the request and the identity; injected: this room is pure."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from pomerium_tw.model import ClientCertificate, Identity, Request


class Records(Protocol):
    """External data that policies may ask about (spec/ppl §3, ``record``)."""

    @property
    def types(self) -> Collection[str] | None:
        """The record types that there are; None where that is not known."""

    def find(self, record_type: str, request: Request, identity: Identity) -> Mapping[str, Any] | None:
        """The record of that type that belongs to the caller, by its foreign key; None if there is none."""

    def needs_session(self, record_type: str) -> bool:
        """Whether only callers with a session can have a record of that type."""


class NoRecords:
    """Nothing is known of external data."""

    types = None

    def find(self, _type: str, _request: Request, _identity: Identity) -> Mapping[str, Any] | None:
        return None

    def needs_session(self, _type: str) -> bool:
        return False


NO_RECORDS = NoRecords()


def _no_authority(_certificate: ClientCertificate | None) -> bool:
    """No client CA is configured: then no certificate, and the lack of one, is invalid (spec/ppl §4.5)."""
    return True


@dataclass(frozen=True, slots=True)
class Environment:
    """The world around one route's policy. Each member is a name that generated code may use."""

    now: Callable[[], float] = time.time
    """Seconds since the epoch."""
    records: Records = NO_RECORDS
    certificate_valid: Callable[[ClientCertificate | None], bool] = _no_authority
    """Whether what the client presented satisfies the client CA in force on this route."""
