"""Decoding of scalars, lists and maps, from typed YAML values and from environment variables alike.

Every decoder raises :class:`DecodeError` with a sentence that never repeats the value (spec/proxy §1.1).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainValidator

from pomerium_tw.model import Secret

from .problem import DecodeError

_DURATION = re.compile(r"(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:ns|us|µs|μs|ms|s|m|h)")
_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_MAX_SECONDS = 2**63 / 1e9
"""Go's longest duration, some 292 years."""

_MAX_COUNT = 2**63 - 1
_MAX_SMALL_COUNT = 2**32 - 1

_TRUE = frozenset({"1", "t", "T", "TRUE", "true", "True"})
_FALSE = frozenset({"0", "f", "F", "FALSE", "false", "False"})


def kind_of(value: Any) -> str:
    """What a value is, in the words of a configuration."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, int | float):
        return "a number"
    if isinstance(value, str):
        return "text"
    if isinstance(value, Mapping):
        return "a mapping"
    return "a list"


def text(value: Any) -> str:
    """Text; a whole number is taken as it was written."""
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise DecodeError(f"text is expected here, not {kind_of(value)}", "put the value in quotes")


def word(value: Any) -> str:
    """Text that is not blank."""
    if not (found := text(value).strip()):
        raise DecodeError("the value is blank", "leave the entry out, or fill it in")
    return found


def flag(value: Any) -> bool:
    """A boolean, or one of Go's words for it; YAML 1.1's ``yes``, ``no``, ``on`` and ``off`` are refused."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value in _TRUE:
        return True
    if isinstance(value, str) and value in _FALSE:
        return False
    raise DecodeError(f"true or false is expected here, not {kind_of(value)}", "write true or false")


def number(value: Any) -> int:
    """A whole number, or text that is one."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,18}", value):
        return int(value)
    raise DecodeError(
        f"a whole number is expected here, not {kind_of(value)}", "write digits alone, without a unit: 10000"
    )


def count(value: Any) -> int:
    """A whole number that is not negative."""
    found = number(value)
    if not 0 <= found <= _MAX_COUNT:
        raise DecodeError("the number must be 0 or more, and less than 2^63", "write a whole number")
    return found


def small_count(value: Any) -> int:
    """A whole number of 32 bits that is not negative."""
    found = number(value)
    if not 0 <= found <= _MAX_SMALL_COUNT:
        raise DecodeError("the number must be 0 or more, and less than 2^32", "write a whole number")
    return found


def duration(value: Any) -> float:
    """Seconds of a Go duration (``30s``, ``1h45m``, ``13h15m0.5s``, ``0``); never negative."""
    hint = "write a duration such as 30s, 5m or 1h30m"
    if value == 0 and isinstance(value, int) and not isinstance(value, bool):
        return 0.0
    if not isinstance(value, str):
        raise DecodeError(f"a duration is expected here, not {kind_of(value)}", hint)
    if value.startswith("-"):
        raise DecodeError("a duration cannot be negative", hint)
    body = value.removeprefix("+")
    if body == "0":
        return 0.0
    parts = _DURATION.findall(body)
    if not parts or "".join(parts) != body:
        raise DecodeError("this is not a duration", hint)
    seconds = sum(_seconds(part) for part in parts)
    if seconds >= _MAX_SECONDS:
        raise DecodeError("the duration is too long", hint)
    return seconds


def _seconds(part: str) -> float:
    count = part.rstrip("nuµμmsh")
    return float(count) * _UNITS[part[len(count) :]]


def listed(value: Any) -> list[Any]:
    """A list as it is, or text split at commas, its blank entries dropped."""
    if isinstance(value, list | tuple):
        return list(value)
    if isinstance(value, str):
        return [entry for part in value.split(",") if (entry := part.strip())]
    raise DecodeError(f"a list is expected here, not {kind_of(value)}")


def mapped(value: Any) -> dict[str, Any]:
    """A mapping as it is, or the JSON object that a text holds."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            raise DecodeError("a mapping is expected here, or text that holds a JSON object") from None
    if not isinstance(value, Mapping):
        raise DecodeError(f"a mapping is expected here, not {kind_of(value)}")
    return dict(value)


def choice(
    key: str,
    names: Mapping[str, str],
    *,
    default: str | None = None,
    not_built: tuple[str, ...] = (),
) -> Callable[[Any], str]:
    """A decoder of an enumeration, in any case: by its value, by its full proto name, or by a suffix of that.

    ``names`` maps each value to its proto name without the prefix, which is the key in upper case. Empty text
    is ``default``, the enumeration's zero value.
    """
    full = {value: f"{key}_{name}".upper() for value, name in names.items()}
    offered = ", ".join(value for value in names if value not in not_built)

    def decode(value: Any) -> str:
        wanted = text(value)
        if not wanted and default is not None:
            return default
        found = _match(wanted.upper(), full)
        if found is None:
            raise DecodeError(f"this is not a value of {key}", f"use one of: {offered}")
        if found in not_built:
            raise DecodeError(f"{found} is not built yet", f"use one of: {offered}")
        return found

    return decode


def _match(wanted: str, full: Mapping[str, str]) -> str | None:
    if not wanted:
        return None
    for value, name in full.items():
        if wanted in {value.upper(), name}:
            return value
    suffixed = [value for value, name in full.items() if name.endswith("_" + wanted)]
    return suffixed[0] if len(suffixed) == 1 else None


def secret_text(value: Any) -> Secret:
    """A secret of any form, without surrounding blanks of its own."""
    return Secret(word(value))


Text = Annotated[str, PlainValidator(text)]
Word = Annotated[str, PlainValidator(word)]
Flag = Annotated[bool, PlainValidator(flag)]
Seconds = Annotated[float, PlainValidator(duration)]
Count = Annotated[int, PlainValidator(count)]
SmallCount = Annotated[int, PlainValidator(small_count)]
SecretText = Annotated[Secret, PlainValidator(secret_text)]
Texts = Annotated[tuple[Word, ...], BeforeValidator(listed)]
"""Entries of a list; each error has the entry's index."""
TextMap = Annotated[Mapping[str, Text], BeforeValidator(mapped)]
FlagMap = Annotated[Mapping[str, Flag], BeforeValidator(mapped)]
