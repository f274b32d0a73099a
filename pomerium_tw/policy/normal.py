"""The normal form of a policy: what one side, allow or deny, is made of.

``not`` is ``and`` over inverted criteria and ``nor`` is ``or`` over them, for inversion keeps the reasons
(spec/ppl §2). All operators of a side are ORed, so what any ``or`` holds goes into one pool; what is left is
a list of conjunctions. A side is true when anything in the pool is true or any conjunction as a whole; then
its reasons are those of what is true. Otherwise they are those of everything in the pool and of every false
part of a conjunction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from .branches import Alternatives, Expression


@dataclass(frozen=True, slots=True)
class Bits:
    """What an answer says: a set of reasons and data, one bit each."""

    signed_in: int = 0
    anonymous: int = 0
    """For a caller without a session."""
    variables: tuple[str, ...] = ()
    """Local variables of the generated code that hold further bits."""

    @classmethod
    def of(cls, bits: int) -> Bits:
        return cls(bits, bits)

    @property
    def same(self) -> bool:
        """Whether a session makes no difference."""
        return self.signed_in == self.anonymous

    def signed(self) -> Bits:
        """As a caller with a session is told."""
        return Bits(self.signed_in, self.signed_in, self.variables)

    def unsigned(self) -> Bits:
        """As a caller without one is told."""
        return Bits(self.anonymous, self.anonymous, self.variables)

    def __or__(self, other: Bits) -> Bits:
        return union([self, other])


@dataclass(frozen=True, slots=True)
class Term:
    """A criterion as one condition and what it says either way."""

    when: Expression | Alternatives
    yes: Bits
    """What it says where it counts as true."""
    no: Bits
    inverted: bool = False
    """It counts as true where the condition does not hold."""

    def invert(self) -> Term:
        return replace(self, yes=self.no, no=self.yes, inverted=not self.inverted)


@dataclass(slots=True)
class Side:
    """Allow or deny."""

    pool: dict[Term, None] = field(default_factory=dict)
    """Terms of which each alone decides, in order, each once."""
    conjunctions: dict[tuple[Term, ...], None] = field(default_factory=dict)
    """Terms that decide together."""

    def add(self, operator: str, terms: Sequence[Term]) -> None:
        """One operator of a rule."""
        if operator in ("not", "nor"):
            terms = [term.invert() for term in terms]
        together = tuple(dict.fromkeys(terms))
        if operator in ("or", "nor") or len(together) == 1:
            self.pool |= dict.fromkeys(together)
        else:
            self.conjunctions[together] = None


def union(parts: Sequence[Bits]) -> Bits:
    # Not part by part: thousands of parts with a variable each would be copied thousands of times.
    signed_in = anonymous = 0
    for part in parts:
        signed_in |= part.signed_in
        anonymous |= part.anonymous
    return Bits(signed_in, anonymous, tuple(dict.fromkeys(name for part in parts for name in part.variables)))
