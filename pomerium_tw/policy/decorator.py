"""Criteria from plain functions."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any, Final

from zope.interface import implementer

from policy_grammar import Criterion

from .branches import ARGUMENTS, Branch, Call, Match, decided, decided_signed_in
from .errors import PolicyError
from .inputs import INPUTS
from .interface import ICriterion

DATA: Final = "data"
"""The parameter that takes what the policy says after the criterion's name."""

_REQUEST: Final = INPUTS - {"identity", "records", "time"}
_READS: Final[Mapping[str, frozenset[str]]] = MappingProxyType(
    {
        "request": _REQUEST,
        "identity": frozenset({"identity"}),
        "now": frozenset({"time"}),
        "records": frozenset({"records"}) | _REQUEST | {"identity"},
        DATA: frozenset(),
    }
)


@implementer(ICriterion)
@dataclass(frozen=True)
class FunctionCriterion:
    """What :func:`criterion` makes; calling it calls the function, as tests like to."""

    name: str
    function: Match
    parameters: tuple[str, ...]
    reads: frozenset[str]
    accepts: str
    schema: Mapping[str, Any]
    parse: Callable[[Any], Any] | None
    needs_session: bool

    def prepare(self, criterion: Criterion) -> tuple[Branch, ...]:
        match = self.function
        if DATA in self.parameters:
            match = partial(match, data=self._data(criterion))
        call = Call(match, tuple(name for name in self.parameters if name != DATA), named=True)
        stem = self.name.replace("_", "-")
        decide = decided_signed_in if self.needs_session else decided
        return decide(call, f"{stem}-ok", f"{stem}-unauthorized")

    def _data(self, criterion: Criterion) -> Any:
        if self.parse is None:
            return criterion.data
        try:
            return self.parse(criterion.data)
        except (TypeError, ValueError) as error:
            message = f"{self.name} takes {self.accepts}: {error}"
            raise PolicyError(message, criterion.where()) from error

    def __call__(self, *arguments: Any, **named: Any) -> bool:
        return self.function(*arguments, **named)


def criterion(
    name: str,
    *,
    parse: Callable[[Any], Any] | None = None,
    accepts: str = "any data",
    schema: Mapping[str, Any] | None = None,
    reads: frozenset[str] | None = None,
    needs_session: bool | None = None,
) -> Callable[[Match], FunctionCriterion]:
    """Makes a criterion of a function that answers True or False (see :class:`ICriterion`).

    The function's parameters say what it needs, each by one of these names: ``request``, ``identity``,
    ``now`` (seconds since the epoch), ``records``, and ``data`` for what the policy says after the
    criterion's name.
    ``parse`` checks that data once, when a policy is loaded, and its answer is what the function gets; its
    ValueError or TypeError is shown to the author at the place of the data. ``reads`` narrows the inputs that
    follow from the parameters. ``needs_session`` sends a caller without a session to sign in where the
    function answers False; by default so if it looks at the identity.

    Raises TypeError for parameters of other names.
    """

    def make(function: Match) -> FunctionCriterion:
        parameters = tuple(inspect.signature(function).parameters)
        if unknown := [each for each in parameters if each not in _READS]:
            known = ", ".join((*ARGUMENTS, DATA))
            raise TypeError(f"{name}: nothing goes by the name of {', '.join(unknown)}; there are {known}")
        derived = frozenset[str]().union(*(_READS[each] for each in parameters))
        asks = "identity" in parameters if needs_session is None else needs_session
        return FunctionCriterion(
            name,
            function,
            parameters,
            derived if reads is None else reads,
            accepts,
            MappingProxyType(dict(schema or {})),
            parse,
            asks,
        )

    return make
