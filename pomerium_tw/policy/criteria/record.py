"""``record``: a condition on external data that belongs to the caller (spec/ppl §3, "Docs only").

The values of a field are its texts, numbers and booleans: one, or those of a list. ``has``, ``is`` and
``exclude`` look at them all, as for claims: ``is`` wants exactly one. All other operators hold if some value
meets every one of them; so on a list ``not`` asks for one other value, and ``exclude`` for none that equals.
A record or field that is missing (null counts as missing) meets ``exists: false`` and nothing else.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, ClassVar, Final

from zope.interface import implementer

from policy_grammar import Criterion, did_you_mean

from ..branches import SESSION, UNAUTHENTICATED, Alternatives, Branch, Expression, Input, Operand
from ..environment import Environment
from ..errors import PolicyError
from ..interface import ICheckedCriterion, ICriterion
from ..matchers import list_matcher

Scalar = str | int | float
Meets = Callable[[Scalar], bool]

_NUMBER: Final = re.compile(r"-?\d+(\.\d+)?([eE][+-]?\d+)?", re.ASCII)
_MAX_NUMBER: Final = 100
"""Characters of a text that is compared as a number; a longer one is none."""


def values_of(record: Mapping[str, Any] | None, field: str) -> tuple[Scalar, ...] | None:
    """The texts, numbers and booleans in a field, or None where there is no such field.

    A field may be named exactly, or by the dotted path to it through objects.
    """
    if record is None:
        return None
    value: Any = record
    if field in record:
        value = record[field]
    else:
        for name in field.split("."):
            value = value.get(name) if isinstance(value, Mapping) else None
    if value is None:
        return None
    values = value if isinstance(value, list | tuple) else (value,)
    return tuple(each for each in values if isinstance(each, str | int | float))


def some(values: tuple[Scalar, ...], tests: tuple[Meets, ...]) -> bool:
    """Whether some value meets every test."""
    for value in values:
        for test in tests:
            if not test(value):
                break
        else:
            return True
    return False


def number_of(value: Scalar) -> float | None:
    """The number that a value is; a text counts if all of it is one, for CSV knows nothing else."""
    if isinstance(value, bool):
        return None
    if not isinstance(value, str):
        return value
    if len(value) > _MAX_NUMBER or not (found := _NUMBER.fullmatch(value)):
        return None
    return float(value) if found[1] or found[2] else int(value)


def _not(criterion: Criterion, name: str, operand: Any) -> Meets:
    if not isinstance(operand, str | int | float):
        raise _wrong(criterion, name, "a string, a number or a boolean")
    # By type too: 1 is not true. An int may equal a float.
    boolean = isinstance(operand, bool)
    return lambda value: value != operand or isinstance(value, bool) is not boolean


def _on_text(criterion: Criterion, name: str, operand: Any) -> Meets:
    if not isinstance(operand, str):
        raise _wrong(criterion, name, "a string")
    if name == "contains":
        return lambda value: isinstance(value, str) and operand in value
    if name == "starts_with":
        return lambda value: isinstance(value, str) and value.startswith(operand)
    return lambda value: isinstance(value, str) and value.endswith(operand)


def _one_of(criterion: Criterion, name: str, operand: Any) -> Meets:
    if not isinstance(operand, list) or not all(isinstance(each, str) for each in operand):
        raise _wrong(criterion, name, "an array of strings")
    texts = frozenset(operand)
    return texts.__contains__ if name == "in" else lambda value: value not in texts


_COMPARISONS: Final[Mapping[str, Callable[[Any, Any], bool]]] = MappingProxyType(
    {"<": operator.lt, "<=": operator.le, "=": operator.eq, ">": operator.gt, ">=": operator.ge}
)


def _compared(criterion: Criterion, name: str, operand: Any) -> Meets:
    if isinstance(operand, bool) or not isinstance(operand, int | float):
        raise _wrong(criterion, name, "a number", "take the quotes away" if isinstance(operand, str) else "")
    compare = _COMPARISONS[name]

    def meets(value: Scalar) -> bool:
        number = number_of(value)
        return number is not None and compare(number, operand)

    return meets


def _wrong(criterion: Criterion, name: str, wanted: str, hint: str = "") -> PolicyError:
    return PolicyError(f"{name} of record requires {wanted}", criterion.where(name), hint)


_ON_ALL: Final = ("has", "is", "exclude")
_ON_EACH: Final[Mapping[str, Callable[[Criterion, str, Any], Meets]]] = MappingProxyType(
    {
        "not": _not,
        **dict.fromkeys(("contains", "starts_with", "ends_with"), _on_text),
        **dict.fromkeys(("in", "not_in"), _one_of),
        **dict.fromkeys(_COMPARISONS, _compared),
    }
)
_KEYS: Final = ("type", "field", "exists", *_ON_ALL, *_ON_EACH)

_SCALAR: Final = {"type": ["string", "number", "boolean"]}
_NAME: Final = {"type": "string", "minLength": 1}
_TEXT: Final = {"type": "string"}
_TEXTS: Final = {"type": "array", "items": _TEXT}
_NUMBER_TYPE: Final = {"type": "number"}
_SCHEMA: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "type": "object",
        "required": ["type"],
        "additionalProperties": False,
        "properties": {
            "type": _NAME,
            "field": _NAME,
            "exists": {"type": "boolean"},
            **dict.fromkeys((*_ON_ALL, "not"), _SCALAR),
            **dict.fromkeys(("contains", "starts_with", "ends_with"), _TEXT),
            **dict.fromkeys(("in", "not_in"), _TEXTS),
            **dict.fromkeys(_COMPARISONS, _NUMBER_TYPE),
        },
        "anyOf": [
            {"required": ["exists"]},
            *({"required": ["field", name]} for name in (*_ON_ALL, *_ON_EACH)),
        ],
    }
)


_BY_CALLER: Final = frozenset({"records", "identity"})
_BY_CONNECTION: Final = frozenset({"records", "address", "certificate"})


@implementer(ICheckedCriterion)
@dataclass(frozen=True)
class Record:
    """Whether the caller's record of one type meets all operators.

    Whoever has no session is asked to sign in only where records of that type are found by who has signed in.
    """

    name: str = "record"
    accepts: ClassVar[str] = (
        "an object of type, field and operators: exists, <, <=, =, >, >=, and those on texts and lists"
    )
    schema: ClassVar[Mapping[str, Any]] = _SCHEMA
    reads: ClassVar[frozenset[str]] = _BY_CALLER | _BY_CONNECTION

    def prepare(self, criterion: Criterion) -> tuple[Branch, ...]:
        data = _read(criterion)
        record_type = Operand(data["type"])
        record = Input("record", ("records.find(", record_type, ", request, identity)"))
        anonymous: Expression = (SESSION, " is None and records.needs_session(", record_type, ")")
        return (
            Branch(_condition(criterion, data, record), True, "record-ok"),
            Branch(anonymous, False, UNAUTHENTICATED),
            Branch(None, False, "record-unauthorized"),
        )

    def check(self, criterion: Criterion, environment: Environment) -> frozenset[str]:
        """What finds a record of that type. Raises PolicyError where there are none."""
        records, record_type = environment.records, criterion.data["type"]
        types = records.types
        if types is None:
            return self.reads
        if record_type in types:
            return _BY_CALLER if records.needs_session(record_type) else _BY_CONNECTION
        hint = (
            did_you_mean(criterion.data["type"], sorted(types))
            if types
            else "name its file under external_data"
        )
        message = f"there are no records of the type {criterion.data['type']!r}"
        raise PolicyError(message, criterion.where("type"), hint)


def _read(criterion: Criterion) -> dict[str, Any]:
    """The data of a criterion, all but the operands checked."""
    data = criterion.data
    if not isinstance(data, dict):
        hint = "write record with type, field and an operator inside"
        raise PolicyError("record requires an object", criterion.where(), hint)
    for name in data:
        if name not in _KEYS:
            message = f"unknown record operator: {name}"
            raise PolicyError(message, criterion.where(name), did_you_mean(name, _KEYS))
    for name in ("type", "field"):
        if name in data and not (isinstance(data[name], str) and data[name]):
            raise _wrong(criterion, name, "a name")
    if "type" not in data:
        raise PolicyError("record requires a type", criterion.where(), "add type, as external_data names it")
    compared = data.keys() - {"type", "field", "exists"}
    if compared and "field" not in data:
        raise PolicyError("record requires a field to compare", criterion.where(), "add field")
    if not compared and "exists" not in data:
        hint = "add exists: true, or a field with an operator"
        raise PolicyError("record without an operator would match everybody", criterion.where(), hint)
    if not isinstance(data.get("exists", True), bool):
        raise _wrong(criterion, "exists", "true or false")
    if compared and not data.get("exists", True):
        message = "nothing that does not exist meets another operator"
        raise PolicyError(message, criterion.where("exists"), "write two criteria")
    return data


def _condition(criterion: Criterion, data: Mapping[str, Any], record: Input) -> Expression:
    found = record
    if "field" in data:
        found = Input("values", (Operand(values_of), "(", record, ", ", Operand(data["field"]), ")"))
    condition: Expression = (found, " is None" if data.get("exists") is False else " is not None")
    if on_all := {name: data[name] for name in _ON_ALL if name in data}:
        matched = list_matcher(replace(criterion, data=on_all), found)
        matched = matched.expression() if isinstance(matched, Alternatives) else matched
        condition = (*condition, " and ", *matched)
    tests = tuple(_ON_EACH[name](criterion, name, data[name]) for name in data if name in _ON_EACH)
    if tests:
        condition = (*condition, " and ", Operand(some), "(", found, ", ", Operand(tests), ")")
    return condition


CRITERIA: Final[tuple[ICriterion, ...]] = (Record(),)
