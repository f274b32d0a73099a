"""The shapes that most criteria have: a fixed answer, one condition, a string matcher on one text."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, ClassVar, Final

from zope.interface import implementer

from policy_grammar import Criterion
from pomerium_tw.model import MAX_MARKS, nfc

from ..branches import Branch, Expression, Input, decided, decided_signed_in
from ..errors import PolicyError
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


Path = tuple[str | int, ...]
"""What leads to an operand in a criterion's data: its operator, and its index where that takes a list."""
Fold = Callable[[Criterion, Path, str], str]
"""Brings an operand into the form that the text of callers has. Raises PolicyError where it has none."""


def as_written(_criterion: Criterion, _path: Path, text: str) -> str:
    """For texts of requests, which have one form alone."""
    return text


def in_normal_form(criterion: Criterion, path: Path, text: str) -> str:
    """Texts of identities are compared in Unicode's normal form C; nothing else is folded (PO-06)."""
    normal = nfc(text)
    if normal is None:
        message = f"a text of {criterion.key} has more than {MAX_MARKS} combining marks in a row"
        raise PolicyError(message, criterion.where(*path), "nobody is called that: write fewer")
    return normal


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
    fold: Fold = as_written
    """Brings operands into the form that the text has."""
    accepts: ClassVar[str] = STRING_MATCHER
    schema: ClassVar[Mapping[str, Any]] = STRING_SCHEMA

    def prepare(self, criterion: Criterion) -> tuple[Branch, ...]:
        when = string_matcher(folded(criterion, self.fold), self.left, optional=self.optional)
        decide = decided_signed_in if self.reads == IDENTITY else decided
        return decide(when, f"{self.reasons}-ok", f"{self.reasons}-unauthorized")


def folded(criterion: Criterion, fold: Fold) -> Criterion:
    """The criterion with its operands folded."""

    def each(path: Path, data: Any) -> Any:
        if isinstance(data, str):
            return fold(criterion, path, data)
        if isinstance(data, list) and len(path) == 1:
            return [each((*path, index), one) for index, one in enumerate(data)]
        return data

    data = criterion.data
    if isinstance(data, dict):
        return replace(criterion, data={name: each((name,), operand) for name, operand in data.items()})
    return replace(criterion, data=each((), data))
