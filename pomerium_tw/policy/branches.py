"""What a criterion can answer, as data: conditions in order, each with its value and its reason.

Built-in conditions are expressions, so that the compiler can put them into one function; plugins bring calls.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import Final

UNAUTHENTICATED: Final = "user-unauthenticated"
"""The reason that makes a caller sign in (spec/ppl §4.1)."""

Match = Callable[..., bool]
"""A condition as a plugin writes it; runs on every request, must not block, and answers True or False."""

ARGUMENTS: Final[Mapping[str, str]] = MappingProxyType(
    {"request": "request", "identity": "identity", "now": "now()", "records": "records"}
)
"""What a match may ask for, and how generated code writes it (see :class:`~.environment.Environment`)."""


@dataclass(frozen=True, slots=True)
class Call:
    """A condition that is a function of ours or of a plugin's."""

    match: Match
    arguments: tuple[str, ...] = ("request", "identity")
    """Names of ``ARGUMENTS``, in the order in which the function takes them."""
    named: bool = False
    """They are given by these names."""


@dataclass(frozen=True, slots=True)
class Operand:
    """A constant or function that generated code reaches by a name of our own: never part of source text."""

    value: Hashable


@dataclass(frozen=True, slots=True)
class Input:
    """A value of the request or identity, computed once per evaluation into a local variable."""

    name: str
    """A Python identifier, the stem of the variable's name."""
    source: Expression
    inline: bool = False
    """Cheap, seldom used twice, and never raises: written where it is used if that is in one place, so that a
    condition that does not count is not paid for."""


Expression = tuple["str | Operand | Input", ...]
"""Python source in pieces. Every str among them is written in this package; all else goes by reference.

Names in scope: ``request``, ``identity``, and the members of :class:`~.environment.Environment`.
"""


class Test(Enum):
    """Conditions of which many alternatives on one input cost little more than one."""

    IS = "is"
    """A text is one of the values."""
    STARTS_WITH = "starts_with"
    ENDS_WITH = "ends_with"
    HAS = "has"
    """One of the values is among the texts, numbers and booleans of a tuple; the values are texts."""


@dataclass(frozen=True, slots=True)
class Alternatives:
    """The condition that an input passes a test with any of some texts."""

    test: Test
    left: Input
    values: frozenset[str]
    optional: bool = False
    """The input may be None, which passes no test."""

    def expression(self) -> Expression:
        one = Operand(next(iter(self.values))) if len(self.values) == 1 else None
        match self.test:
            case Test.IS:
                return (self.left, " == ", one) if one else (self.left, " in ", Operand(self.values))
            case Test.HAS if one:
                return (one, " in ", self.left)
            case Test.HAS:
                return ("not ", Operand(self.values), ".isdisjoint(", self.left, ")")
        method = ".startswith(" if self.test is Test.STARTS_WITH else ".endswith("
        call: Expression = (self.left, method, one or Operand(tuple(sorted(self.values))), ")")
        return ("(", self.left, " is not None and ", *call, ")") if self.optional else call


Condition = Match | Call | Expression | Alternatives


@dataclass(frozen=True, slots=True)
class Branch:
    """One answer of a criterion."""

    when: Condition | None
    """Its condition; None for what remains."""
    value: bool
    reason: str
    data: tuple[tuple[str, str], ...] = ()
    """Names and values that the answer adds to the decision; of several values the greatest counts."""


SESSION: Final = Input("session", ("identity.session",), inline=True)
SIGNED_IN: Final[Expression] = (SESSION, " is not None")


def decided(when: Condition, ok: str, failed: str) -> tuple[Branch, ...]:
    """True with reason ``ok`` when the condition holds, else False with reason ``failed``."""
    return Branch(when, True, ok), Branch(None, False, failed)


def decided_signed_in(when: Condition, ok: str, failed: str) -> tuple[Branch, ...]:
    """As :func:`decided`, but where it fails for want of a session the reason asks the caller to sign in.

    The match is tried first and needs no session by itself (spec/ppl §4.1).
    """
    return (
        Branch(when, True, ok),
        Branch(SIGNED_IN, False, failed),
        Branch(None, False, UNAUTHENTICATED),
    )
