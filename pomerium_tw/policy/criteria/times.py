"""Criteria on the time of the request: date, day_of_week, time_of_day (spec/ppl §3, "Docs only").

``after`` and ``before`` leave out the named moment itself. Pomerium names no time zone for days, nor for
dates without an offset: those are UTC here, and days may name a zone of their own, as times of day must. Days
and times of day are read off the calendar and wall clock of that zone: where daylight saving repeats an hour,
both passes match; an hour that it leaves out never comes. ``after`` a later time of day than ``before`` means
over midnight.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time, tzinfo
from functools import cache
from types import MappingProxyType
from typing import Any, ClassVar, Final
from zoneinfo import ZoneInfo, available_timezones

from zope.interface import implementer

from policy_grammar import Criterion, did_you_mean, nearest

from ..branches import Branch, Expression, Input, Operand, decided
from ..errors import PolicyError
from ..interface import ICriterion

_NOW: Final = Input("now", ("now()",))

_DAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_DAYS_HINT: Final = "write days such as mon-fri or sat,sun, or * for every day"
_DATE: Final = re.compile(
    r"\d{4}(-?)(?:\d{2}\1\d{2}|W\d{2}(?:\1\d)?)"  # a calendar or week date of ISO 8601
    r"(?:[T ](?!24)[\d:.,]+(?:Z|[+-][\d:]+)?)?",  # hour 24 is read by some Pythons only
    re.ASCII | re.IGNORECASE,
)
"""The outline; :meth:`datetime.fromisoformat` reads the rest."""
_DATE_HINT: Final = (
    'write a date such as "2026-01-31" or "2026-01-31T16:20:00+01:00"; without an offset it is UTC'
)
_CLOCK_12: Final = re.compile(r"(\d{1,2})(?::(\d{2}))? ?([AP])M", re.ASCII | re.IGNORECASE)
_CLOCK_24: Final = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2})(?:\.(\d{1,9}))?)?", re.ASCII)
_CLOCK_HINT: Final = 'write a time such as "15:04", "15:04:05" or "3:04 PM"'
_NOT_PLACES: Final = frozenset({"localtime", "Factory"})
"""Names that stand for whatever a machine is set to."""


@implementer(ICriterion)
@dataclass(frozen=True)
class Timed:
    """One condition on the time. Anonymous callers meet it like all others."""

    name: str
    condition: Callable[[Criterion], Expression]
    accepts: str
    schema: Mapping[str, Any]
    reads: ClassVar[frozenset[str]] = frozenset({"time"})

    def prepare(self, criterion: Criterion) -> tuple[Branch, ...]:
        stem = self.name.replace("_", "-")
        return decided(self.condition(criterion), f"{stem}-ok", f"{stem}-unauthorized")


def _date(criterion: Criterion) -> Expression:
    operators = _operators(criterion, ("after", "before"), "after and before")
    moments = {name: _moment(criterion, name, operand) for name, operand in operators.items()}
    if not moments:
        raise _always(criterion)
    after, before = moments.get("after"), moments.get("before")
    if after is not None and before is not None and after >= before:
        raise PolicyError("no date is after and before these two", criterion.where(), "swap after and before")
    return _between(_NOW, after, before, "and")


def _time_of_day(criterion: Criterion) -> Expression:
    operators = _operators(criterion, ("timezone", "after", "before"), "timezone, after and before")
    if "timezone" not in operators:
        hint = "add timezone, such as Europe/Berlin or UTC"
        raise PolicyError("time_of_day requires a timezone", criterion.where(), hint)
    clock = Input("clock", (_local(_zone(criterion, operators["timezone"])), ".time()"))
    times = {
        name: _clock(criterion, name, operators[name]) for name in ("after", "before") if name in operators
    }
    if not times:
        raise _always(criterion)
    after, before = times.get("after"), times.get("before")
    if after == before or (after is None and before == time()):
        raise PolicyError("no time of day is between these two", criterion.where(), "widen after and before")
    over_midnight = after is not None and before is not None and after > before
    return _between(clock, after, before, "or" if over_midnight else "and")


def _day_of_week(criterion: Criterion) -> Expression:
    if isinstance(criterion.data, dict):
        operators = _operators(criterion, ("is", "timezone"), "is and timezone")
        if "is" not in operators:
            raise PolicyError("day_of_week requires days", criterion.where(), "add is, such as mon-fri")
        zone = _zone(criterion, operators["timezone"]) if "timezone" in operators else UTC
        days = _days(criterion, ("is",), operators["is"])
    else:
        zone, days = UTC, _days(criterion, (), criterion.data)
    return (_local(zone), ".weekday() in ", Operand(days))


def _local(zone: tzinfo) -> Input:
    """The date and wall-clock time in a zone."""
    return Input("local", (Operand(datetime.fromtimestamp), "(", _NOW, ", ", Operand(zone), ")"))


def _between(left: Input, after: float | time | None, before: float | time | None, word: str) -> Expression:
    lower: Expression = (left, " > ", Operand(after))
    upper: Expression = (left, " < ", Operand(before))
    if before is None:
        return lower
    return upper if after is None else (*lower, f" {word} ", *upper)


def _operators(criterion: Criterion, known: tuple[str, ...], listed: str) -> Mapping[str, Any]:
    data = criterion.data
    if not isinstance(data, dict):
        hint = f"write {criterion.name} with {listed} inside"
        raise PolicyError(f"{criterion.name} requires an object", criterion.where(), hint)
    for name in data:
        if name not in known:
            message = f"unknown {criterion.name} operator: {name}"
            raise PolicyError(message, criterion.where(name), did_you_mean(name, known))
    return data


def _always(criterion: Criterion) -> PolicyError:
    message = f"{criterion.name} without after or before would always match"
    return PolicyError(message, criterion.where(), "add after, before or both")


def _moment(criterion: Criterion, name: str, operand: Any) -> float:
    """Seconds since the epoch of an ISO 8601 date; the start of the day where it has no time."""
    try:
        if not isinstance(operand, str) or not _DATE.fullmatch(operand):
            raise ValueError("not of the form")
        moment = datetime.fromisoformat(operand.upper())
    except ValueError:
        raise PolicyError(f"{name} of date is not a date", criterion.where(name), _DATE_HINT) from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _clock(criterion: Criterion, name: str, operand: Any) -> time:
    """A time of day; what is finer than a microsecond is dropped."""
    try:
        if isinstance(operand, str) and (found := _CLOCK_12.fullmatch(operand)):
            hour = int(found[1])
            if not 1 <= hour <= 12:
                raise ValueError("no such hour")
            return time(hour % 12 + (12 if found[3] in "pP" else 0), int(found[2] or 0))
        if isinstance(operand, str) and (found := _CLOCK_24.fullmatch(operand)):
            microsecond = int((found[4] or "0").ljust(6, "0")[:6])
            return time(int(found[1]), int(found[2]), int(found[3] or 0), microsecond)
        raise ValueError("not of the form")
    except ValueError:
        message = f"{name} of time_of_day is not a time of day"
        raise PolicyError(message, criterion.where(name), _CLOCK_HINT) from None


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones()) - _NOT_PLACES


def _zone(criterion: Criterion, operand: Any) -> ZoneInfo:
    if isinstance(operand, str) and operand in _zones():
        return ZoneInfo(operand)
    close = nearest(operand, sorted(_zones())) if isinstance(operand, str) else None
    hint = (
        f"did you mean {close!r}?" if close else "write a name of the IANA list, such as Europe/Berlin or UTC"
    )
    raise PolicyError(
        f"{criterion.name} knows no timezone {operand!r}"
        if isinstance(operand, str)
        else "timezone requires a string",
        criterion.where("timezone"),
        hint,
    )


def _days(criterion: Criterion, path: tuple[str, ...], operand: Any) -> frozenset[int]:
    """The days of a list of days and ranges; Monday is 0. A range may run over the end of the week."""
    place = criterion.where(*path)
    if not isinstance(operand, str):
        raise PolicyError("day_of_week requires a string", place, _DAYS_HINT)
    if operand.strip() == "*":
        return frozenset(range(7))
    days: set[int] = set()
    for part in operand.split(","):
        ends = [_day(word.strip().lower()) for word in part.split("-")]
        first, last = ends[0], ends[-1]
        if first is None or last is None or len(ends) > 2:
            message = f"day_of_week knows no day {part.strip()!r}"
            close = nearest(part.strip().lower(), _DAYS)
            raise PolicyError(message, place, f"did you mean {close!r}?" if close else _DAYS_HINT)
        days.update((first + step) % 7 for step in range((last - first) % 7 + 1))
    return frozenset(days)


def _day(word: str) -> int | None:
    return next((day for day, name in enumerate(_DAYS) if word in {name, name[:3]}), None)


def _object(properties: Mapping[str, Any], *, required: list[str]) -> dict[str, Any]:
    return {
        "type": "object",
        "minProperties": len(required) + 1,
        "additionalProperties": False,
        "properties": dict(properties),
        "required": required,
    }


_DATE_SCHEMA: Final = {"type": "string", "description": _DATE_HINT}
_CLOCK_SCHEMA: Final = {"type": "string", "description": _CLOCK_HINT}
_ZONE_SCHEMA: Final = {"type": "string", "description": "a name of the IANA list, such as Europe/Berlin"}
_DAYS_SCHEMA: Final = {"type": "string", "description": _DAYS_HINT}

CRITERIA: Final[tuple[ICriterion, ...]] = (
    Timed(
        "date",
        _date,
        "an object of after and before, each an ISO 8601 date",
        MappingProxyType(_object({"after": _DATE_SCHEMA, "before": _DATE_SCHEMA}, required=[])),
    ),
    Timed(
        "day_of_week",
        _day_of_week,
        "days such as mon-fri, sat,sun or *, or an object of is and timezone",
        MappingProxyType(
            {
                "anyOf": [
                    _DAYS_SCHEMA,
                    {
                        "type": "object",
                        "additionalProperties": False,
                        "properties": {"is": _DAYS_SCHEMA, "timezone": _ZONE_SCHEMA},
                        "required": ["is"],
                    },
                ]
            }
        ),
    ),
    Timed(
        "time_of_day",
        _time_of_day,
        "an object of timezone, after and before",
        MappingProxyType(
            _object(
                {"timezone": _ZONE_SCHEMA, "after": _CLOCK_SCHEMA, "before": _CLOCK_SCHEMA},
                required=["timezone"],
            )
        ),
    ),
)
