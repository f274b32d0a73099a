"""The syntax tree that both notations speak.

Trees compare by meaning: where a node stands and what comments it has do not count.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

from .comments import NO_COMMENTS, Comments
from .span import NOWHERE, Span

ACTIONS: Final = ("allow", "deny")
OPERATORS: Final = ("and", "or", "not", "nor")

Path = tuple[str | int, ...]
"""Keys and indexes that lead into JSON data from its root, which is ``()``."""

_NO_PARTS: Mapping[Path, Span] = MappingProxyType({})
_NO_INNER: Mapping[Path, Comments] = MappingProxyType({})


@dataclass(frozen=True, slots=True, eq=False)
class Criterion:
    """One condition, such as ``claim/groups has "admins"``. What its name means is not known here."""

    name: str
    """Everything before the first ``/`` of the key as written."""
    sub_path: str = ""
    """Everything after it."""
    data: Any = True
    """Any JSON value as plain Python (dict, list, str, int, float, bool, None); never changed once built."""
    span: Span = NOWHERE
    parts: Mapping[Path, Span] = field(default_factory=lambda: _NO_PARTS, repr=False)
    """Where each part of the data stands."""
    comments: Comments = field(default=NO_COMMENTS, repr=False)
    inner: Mapping[Path, Comments] = field(default_factory=lambda: _NO_INNER, repr=False)
    """Comments of parts of the data, by path; never of ``()``, whose comments are the criterion's."""

    def __post_init__(self) -> None:
        if "/" in self.name:
            raise ValueError(f"a criterion's name ends at the first slash: {self.name!r}")

    @property
    def key(self) -> str:
        """The criterion as written: name, and sub-path after a slash."""
        return f"{self.name}/{self.sub_path}" if self.sub_path else self.name

    def where(self, *path: str | int) -> Span:
        """Where a part of the data stands: the nearest enclosing part with a known place."""
        for end in range(len(path), 0, -1):
            if found := self.parts.get(path[:end]):
                return found
        return self.parts.get((), self.span)

    def _meaning(self) -> tuple[str, str, str]:
        # JSON text tells 1, 1.0 and true apart, which == does not; the order of keys carries no meaning.
        return self.name, self.sub_path, json.dumps(self.data, sort_keys=True)

    def __eq__(self, other: object) -> bool:
        return self._meaning() == other._meaning() if isinstance(other, Criterion) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._meaning())


@dataclass(frozen=True, slots=True)
class Operator:
    """``and``, ``or``, ``not`` or ``nor`` over one or more criteria: an empty one says nothing."""

    kind: str
    criteria: tuple[Criterion, ...]
    span: Span = field(default=NOWHERE, compare=False)
    comments: Comments = field(default=NO_COMMENTS, compare=False, repr=False)

    def __post_init__(self) -> None:
        if self.kind not in OPERATORS:
            raise ValueError(f"not an operator: {self.kind!r}")
        if not self.criteria:
            raise ValueError("an operator in the tree holds at least one criterion")


@dataclass(frozen=True, slots=True)
class Rule:
    """One ``allow`` or ``deny`` with its operators, each kind at most once; their results are ORed."""

    action: str
    operators: tuple[Operator, ...] = ()
    span: Span = field(default=NOWHERE, compare=False)
    comments: Comments = field(default=NO_COMMENTS, compare=False, repr=False)

    def __post_init__(self) -> None:
        if self.action not in ACTIONS:
            raise ValueError(f"not an action: {self.action!r}")
        kinds = [operator.kind for operator in self.operators]
        if len(set(kinds)) != len(kinds):
            raise ValueError(f"a rule holds each operator once at most: {kinds}")


@dataclass(frozen=True, slots=True)
class Policy:
    """Rules under one name; "" for a policy written inline."""

    name: str = ""
    rules: tuple[Rule, ...] = ()
    span: Span = field(default=NOWHERE, compare=False)
    comments: Comments = field(default=NO_COMMENTS, compare=False, repr=False)

    @property
    def criteria(self) -> Iterator[Criterion]:
        """Every use of a criterion, in order."""
        return (each for rule in self.rules for operator in rule.operators for each in operator.criteria)


@dataclass(frozen=True, slots=True)
class Include:
    """Another policy file whose policies count as well. Who reads files follows it; this package does not."""

    path: str
    """As written: absolute, or relative to the folder of the including file."""
    span: Span = field(default=NOWHERE, compare=False)
    comments: Comments = field(default=NO_COMMENTS, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Document:
    """What one text holds, in either notation."""

    includes: tuple[Include, ...] = ()
    policies: tuple[Policy, ...] = ()
    """In order; a name stands once."""
    comments: Comments = field(default=NO_COMMENTS, compare=False, repr=False)
    """Only ``last`` is used: the lines below everything else."""

    @property
    def plain(self) -> bool:
        """It is one policy without a name and nothing else: what Pomerium's shape can say."""
        return not self.includes and len(self.policies) == 1 and not self.policies[0].name
