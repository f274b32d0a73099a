"""The string matcher and the string list matcher (spec/ppl §3), from a criterion's data to a condition.

Operands are checked here, when a policy is loaded: one that could never match is an error, not a silent no.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Final

from policy_grammar import Criterion, did_you_mean

from .branches import Alternatives, Expression, Input, Operand, Test
from .errors import PolicyError

STRING_MATCHER: Final = "a text, or an object of is, not, contains, starts_with, ends_with, in, not_in"
LIST_MATCHER: Final = "a value, or an object of has, is, exclude"

_TEXTS: Final = {"type": "array", "items": {"type": "string"}}
STRING_SCHEMA: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "anyOf": [
            {"type": "string"},
            {
                "type": "object",
                "minProperties": 1,
                "additionalProperties": False,
                "properties": {
                    **{
                        name: {"type": "string"}
                        for name in ("is", "not", "contains", "starts_with", "ends_with")
                    },
                    "in": _TEXTS,
                    "not_in": _TEXTS,
                },
            },
        ]
    }
)
_SCALAR: Final = {"type": ["string", "number", "boolean"]}
LIST_SCHEMA: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "anyOf": [
            _SCALAR,
            {
                "type": "object",
                "minProperties": 1,
                "additionalProperties": False,
                "properties": dict.fromkeys(("has", "is", "exclude"), _SCALAR),
            },
        ]
    }
)


def string_matcher(
    criterion: Criterion, left: Input, *, optional: bool, negations: Collection[str] = ()
) -> Expression | Alternatives:
    """The condition on a text. ``optional`` inputs may be None: then no operator matches, ``not`` included;
    only those named by ``negations`` do.

    Raises PolicyError for unknown operators and for operands other than texts.
    """
    operators = _operators(criterion, "is", _STRING, "string matcher")
    conditions = [_STRING[name](criterion, left, operand) for name, operand in operators.items()]
    if len(conditions) == 1 and isinstance(conditions[0], Alternatives):
        return replace(conditions[0], optional=optional)
    undefined = set(operators) <= set(negations)
    defined: list[Expression] = [(left, " is not None")] if optional and not undefined else []
    return _all(
        defined + [each.expression() if isinstance(each, Alternatives) else each for each in conditions]
    )


_EACH: Final = Input("each", ())
"""Stands for one text of several until the condition is written out."""


def any_text_matcher(criterion: Criterion, texts: Input) -> Expression:
    """The condition that each operator of a string matcher is satisfied by some text of a tuple.

    Two operators may be satisfied by two texts: Pomerium looks through the list once for each operator.
    Raises PolicyError as :func:`string_matcher` does.
    """
    conditions: list[Expression] = []
    for name, operand in _operators(criterion, "is", _STRING, "string matcher").items():
        condition = _STRING[name](criterion, _EACH, operand)
        expression = condition.expression() if isinstance(condition, Alternatives) else condition
        each = tuple("each" if piece == _EACH else piece for piece in expression)
        conditions.append((Operand(any), "(", *each, " for each in ", texts, ")"))
    return _all(conditions)


def list_matcher(criterion: Criterion, left: Input, *, optional: bool = False) -> Expression | Alternatives:
    """The condition on a tuple of texts, numbers and booleans, compared by type and value: 5 is not "5".

    ``optional`` inputs may be None: then no operator matches, ``exclude`` included. Raises PolicyError for
    unknown operators and for operands that no element could equal.
    """
    operators = _operators(criterion, "has", _LIST, "string list matcher")
    wanted = {name: _element(criterion, name, operand) for name, operand in operators.items()}
    if list(wanted) == ["has"] and isinstance(wanted["has"], str) and not optional:
        return Alternatives(Test.HAS, left, frozenset({wanted["has"]}))
    defined: list[Expression] = [(left, " is not None")] if optional else []
    return _all(defined + [_LIST[name](left, operand) for name, operand in wanted.items()])


def _operators(criterion: Criterion, default: str, known: Mapping[str, Any], matcher: str) -> dict[str, Any]:
    data = criterion.data
    if not isinstance(data, dict):
        return {default: data}
    if not data:
        raise PolicyError(
            f"{criterion.key} without an operator would match everybody",
            criterion.where(),
            f"write one of {', '.join(known)}",
        )
    for name in data:
        if name not in known:
            message = f"unknown {matcher} operator: {name}"
            raise PolicyError(message, criterion.where(name), did_you_mean(name, known))
    return data


def _all(conditions: list[Expression]) -> Expression:
    return tuple(piece for each in conditions for piece in ("(", *each, ")", " and "))[:-1]


def _text(criterion: Criterion, name: str, operand: Any) -> Operand:
    if isinstance(operand, str):
        return Operand(operand)
    hint = (
        'write in ["a", "b"] to match one of several' if isinstance(operand, list) else "put it into quotes"
    )
    raise PolicyError(f"{name} of {criterion.key} requires a string", criterion.where(name), hint)


def _texts(criterion: Criterion, name: str, operand: Any) -> frozenset[str]:
    wrong = (
        [i for i, each in enumerate(operand) if not isinstance(each, str)]
        if isinstance(operand, list)
        else []
    )
    if wrong or not isinstance(operand, list):
        place = criterion.where(name, *wrong[:1])
        raise PolicyError(f"{name} matcher requires an array of strings", place)
    return frozenset(operand)


def _alternative(test: Test) -> Callable[[Criterion, Input, Any], Alternatives]:
    def condition(criterion: Criterion, left: Input, operand: Any) -> Alternatives:
        _text(criterion, test.value, operand)
        return Alternatives(test, left, frozenset({operand}))

    return condition


_STRING: Final[Mapping[str, Callable[[Criterion, Input, Any], Expression | Alternatives]]] = {
    "is": _alternative(Test.IS),
    "not": lambda criterion, left, text: (left, " != ", _text(criterion, "not", text)),
    "contains": lambda criterion, left, text: (_text(criterion, "contains", text), " in ", left),
    "starts_with": _alternative(Test.STARTS_WITH),
    "ends_with": _alternative(Test.ENDS_WITH),
    "in": lambda criterion, left, texts: Alternatives(Test.IS, left, _texts(criterion, "in", texts)),
    "not_in": lambda criterion, left, texts: (left, " not in ", Operand(_texts(criterion, "not_in", texts))),
}


def _element(criterion: Criterion, name: str, operand: Any) -> str | float:
    if isinstance(operand, str | int | float):
        return operand
    hint = "write one criterion for each value" if isinstance(operand, list) else ""
    raise PolicyError(
        f"{name} of {criterion.key} requires a string, a number or a boolean", criterion.where(name), hint
    )


def has_boolean(values: tuple[Any, ...], wanted: bool) -> bool:
    """Whether a boolean is among the values; 1 is not true."""
    return any(value is wanted for value in values)


def has_number(values: tuple[Any, ...], wanted: float) -> bool:
    """Whether a number is among the values; true is not 1, 1.0 is."""
    return any(value == wanted and not isinstance(value, bool) for value in values)


def _has(left: Input, operand: str | float) -> Expression:
    if isinstance(operand, str):
        return (Operand(operand), " in ", left)
    function = has_boolean if isinstance(operand, bool) else has_number
    return (Operand(function), "(", left, ", ", Operand(operand), ")")


_LIST: Final[Mapping[str, Callable[[Input, str | float], Expression]]] = {
    "has": _has,
    "is": lambda left, operand: (Operand(len), "(", left, ") == 1 and ", *_has(left, operand)),
    "exclude": lambda left, operand: ("not (", *_has(left, operand), ")"),
}
