"""The shapes that most criteria have: a fixed answer, one condition, a string matcher on one text."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
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


def nfc(text: str) -> str:
    """Texts of identities are compared in Unicode's normal form C; nothing else is folded (PO-06)."""
    return unicodedata.normalize("NFC", text)


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
    fold: Callable[[str], str] = str
    """Brings operands into the form that the text has."""
    accepts: ClassVar[str] = STRING_MATCHER
    schema: ClassVar[Mapping[str, Any]] = STRING_SCHEMA

    def prepare(self, criterion: Criterion) -> tuple[Branch, ...]:
        when = string_matcher(folded(criterion, self.fold), self.left, optional=self.optional)
        decide = decided_signed_in if self.reads == IDENTITY else decided
        return decide(when, f"{self.reasons}-ok", f"{self.reasons}-unauthorized")


def folded(criterion: Criterion, fold: Callable[[str], str]) -> Criterion:
    """The criterion with every text of its data folded."""
    return replace(criterion, data=_folded(criterion.data, fold))


def _folded(data: Any, fold: Callable[[str], str]) -> Any:
    if isinstance(data, str):
        return fold(data)
    if isinstance(data, list):
        return [_folded(each, fold) for each in data]
    return {name: _folded(each, fold) for name, each in data.items()} if isinstance(data, dict) else data
