"""What authorize made of one request."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Outcome(Enum):
    """What happens to the request (spec/ppl §6)."""

    ALLOW = "allow"
    LOGIN = "login"
    """Sign the caller in, or answer 401 where a redirect is not wanted."""
    STEP_UP = "step-up"
    """Have the caller register the device, or answer 401 where a redirect is not wanted."""
    DENY = "deny"


@dataclass(frozen=True, slots=True)
class Decision:
    """The outcome and why. Equal decisions are shared objects: nothing of one request may be stored here."""

    outcome: Outcome
    status: int
    """200 of what is allowed, 403, 404, 450 or 495 of a denial, 401 of the other outcomes."""
    allow: bool
    allow_reasons: frozenset[str]
    deny: bool
    deny_reasons: frozenset[str]
    reason: str
    """One line of text for the denial's body."""
    device_type: str = ""
    """Of a step-up: the type of device that the policy asks for."""
