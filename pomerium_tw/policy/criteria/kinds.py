"""The shapes that most criteria have: a fixed answer, one condition, a string matcher on one text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar, Final

from zope.interface import implementer

from policy_grammar import Criterion

from ..branches import Branch, Expression, Input, decided, decided_signed_in
from ..interface import ICriterion
from ..matchers import STRING_MATCHER, STRING_SCHEMA, string_matcher

UNUSED: Final = "any data; it is not used"
ANYTHING: Final[Mapping[str, Any]] = MappingProxyType({})
IDENTITY: Final = frozenset({"identity"})


@implementer(ICriterion)
@dataclass(frozen=True)
class Fixed:
    """``accept`` and ``reject``: one answer, whatever the request."""

    name: str
    value: bool
    reason: str
    accepts: ClassVar[str] = UNUSED
    schema: ClassVar[Mapping[str, Any]] = ANYTHING
    reads: frozenset[str] = frozenset()

    def prepare(self, _criterion: Criterion) -> tuple[Branch, ...]:
        return (Branch(None, self.value, self.reason),)


@implementer(ICriterion)
@dataclass(frozen=True)
class Condition:
    """One condition without data."""

    name: str
    when: Expression
    ok: str
    failed: str
    reads: frozenset[str]
    signed_in: bool = False
    accepts: ClassVar[str] = UNUSED
    schema: ClassVar[Mapping[str, Any]] = ANYTHING

    def prepare(self, _criterion: Criterion) -> tuple[Branch, ...]:
        decide = decided_signed_in if self.signed_in else decided
        return decide(self.when, self.ok, self.failed)


@implementer(ICriterion)
@dataclass(frozen=True)
class Text:
    """A string matcher on one text of the request or the identity."""

    name: str
    left: Input
    reasons: str
    """``X`` of the reasons ``X-ok`` and ``X-unauthorized``."""
    reads: frozenset[str]
    optional: bool = False
    """The text may be undefined."""
    accepts: ClassVar[str] = STRING_MATCHER
    schema: ClassVar[Mapping[str, Any]] = STRING_SCHEMA

    def prepare(self, criterion: Criterion) -> tuple[Branch, ...]:
        when = string_matcher(criterion, self.left, optional=self.optional)
        decide = decided_signed_in if self.reads == IDENTITY else decided
        return decide(when, f"{self.reasons}-ok", f"{self.reasons}-unauthorized")
