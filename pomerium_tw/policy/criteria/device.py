"""``device``: the WebAuthn device that the session was confirmed with (spec/ppl §4.6)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar, Final

from zope.interface import implementer

from policy_grammar import Criterion, did_you_mean

from ..branches import SIGNED_IN, UNAUTHENTICATED, Branch, Expression, Input, Operand
from ..errors import PolicyError
from ..interface import ICriterion
from .kinds import IDENTITY

ANY_TYPE: Final = "any"
"""The device type of a criterion that names none."""
_KEYS: Final = ("is", "approved", "type")


@implementer(ICriterion)
@dataclass(frozen=True)
class DeviceCriterion:
    """Conditions on the session's first credential of one type.

    Without conditions, and with ``approved: false``, it would hold for callers without any device; the first
    is an error, the second is Pomerium's meaning.
    """

    name: str = "device"
    accepts: ClassVar[str] = "an object of is (credential id), approved, type (any, enclave_only, …)"
    schema: ClassVar[Mapping[str, Any]] = MappingProxyType(
        {
            "type": "object",
            "minProperties": 1,
            "additionalProperties": False,
            "properties": {"is": {"type": "string"}, "type": {"type": "string"}, "approved": {}},
        }
    )
    reads: frozenset[str] = IDENTITY

    def prepare(self, criterion: Criterion) -> tuple[Branch, ...]:
        wanted = _conditions(criterion)
        device_type = wanted.get("type", ANY_TYPE)
        device = Input("device", ("identity.devices.get(", Operand(device_type), ")"))
        known: Expression = (device, " is not None")
        conditions: list[Expression] = [known] if "type" in wanted else []
        if "is" in wanted:
            conditions.append((*known, " and ", device, ".id == ", Operand(wanted["is"])))
        if "approved" in wanted:
            approved: Expression = ("(", *known, " and ", device, ".approved)")
            conditions.append(approved if _truthy(wanted["approved"]) else ("not ", *approved))
        holds = tuple(piece for each in conditions for piece in (*each, " and "))[:-1]
        data = (("device_type", device_type),)
        enrolled: Expression = (*SIGNED_IN, " and ", *known, " and ", device, ".enrolled")
        return (
            Branch(holds, True, "device-ok", data),
            Branch(enrolled, False, "device-unauthorized", data),
            Branch(SIGNED_IN, False, "device-unauthenticated", data),
            Branch(None, False, UNAUTHENTICATED, data),
        )


def _conditions(criterion: Criterion) -> Mapping[str, Any]:
    data = criterion.data
    if not isinstance(data, dict) or not data:
        raise PolicyError(
            "device holds an object of conditions", criterion.where(), f"write one of {', '.join(_KEYS)}"
        )
    for name, value in data.items():
        if name not in _KEYS:
            message = f"unexpected field in device criterion: {name}"
            raise PolicyError(message, criterion.where(name), did_you_mean(name, _KEYS))
        if name != "approved" and not isinstance(value, str):
            message = f"expected string for device criterion {name} operator"
            raise PolicyError(message, criterion.where(name))
    return data


def _truthy(value: Any) -> bool:
    """As Pomerium's engine sees it: false, 0, "" and null are not, lists and objects are, "false" too."""
    return True if isinstance(value, list | dict) else bool(value)


CRITERIA: Final[tuple[ICriterion, ...]] = (DeviceCriterion(),)
