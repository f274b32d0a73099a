"""Files of records, JSON or CSV, as Pomerium Enterprise's external data sources write them.

Every record has an ``id``. Errors name the file and the line (CSV) or the index (JSON, the first is ``[0]``).
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from .problem import DecodeError
from .values import kind_of

MAX_RECORDS_BYTES = 64_000_000
"""Size of one file of external data."""
MAX_RECORDS = 500_000
"""Records in one file of external data."""

Record = Mapping[str, Any]
Placed = tuple[str, Record]
"""A record after the place where it stands, such as ``/etc/staff.csv:3`` or ``/etc/staff.json[1]``."""

_BLANKS = re.compile(r"[ \t\r\n]*")


def records_of(path: Path, text: str) -> Iterator[Placed]:
    """The records of a file in order, each with an ``id``. Raises :class:`DecodeError` at the first fault."""
    readers = {".json": _json_records, ".csv": _csv_records}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise DecodeError(f"{path}: the file is neither .json nor .csv", "name it after what it holds")
    for count, (place, record) in enumerate(reader(path, text)):
        if count == MAX_RECORDS:
            raise DecodeError(f"{path}: the file has more than {MAX_RECORDS} records")
        if record.get("id") in (None, ""):
            raise DecodeError(f"{place}: the record has no id", "give every record a field id")
        yield place, record


def _csv_records(path: Path, text: str) -> Iterator[Placed]:
    rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = next((row for row in rows if row), None)
        if header is None:
            raise DecodeError(
                f"{path}: the file is empty", "write the names of the fields into the first row"
            )
        for name in header:
            if not name or header.count(name) > 1:
                fault = f"the field {name} stands twice" if name else "a field has no name"
                raise DecodeError(f"{path}:{rows.line_num}: {fault}", "the first row names the fields")
        line = rows.line_num + 1
        for row in rows:
            if row and len(row) != len(header):
                message = f"the row has {len(row)} fields, the first row {len(header)}"
                raise DecodeError(f"{path}:{line}: {message}", "put values that hold commas into quotes")
            if row:
                yield f"{path}:{line}", dict(zip(header, row, strict=True))
            line = rows.line_num + 1
    except csv.Error as error:
        raise DecodeError(f"{path}:{rows.line_num}: CSV syntax: {error}") from None


def _json_records(path: Path, text: str) -> Iterator[Placed]:
    """The objects of an array, decoded one by one: each fault knows its record."""
    decoder = json.JSONDecoder(object_pairs_hook=_Objects(), parse_constant=_no_number)
    at = _after_blanks(text, 0)
    if text[at : at + 1] != "[":
        raise DecodeError(f"{_place(path, text, at)}: an array of objects is expected here")
    at = _after_blanks(text, at + 1)
    index = 0
    while text[at : at + 1] != "]" or index:
        place = f"{path}[{index}]"
        try:
            record, at = decoder.raw_decode(text, at)
        except json.JSONDecodeError as error:
            raise DecodeError(f"{_place(path, text, error.pos)}: JSON syntax: {error.msg}") from None
        except DecodeError as fault:
            raise DecodeError(f"{place}: {fault.message}", fault.hint) from None
        except (RecursionError, ValueError):
            raise DecodeError(f"{place}: the record is nested too deeply, or has too long a number") from None
        if not isinstance(record, dict):
            raise DecodeError(f"{place}: a record is an object, not {kind_of(record)}")
        yield place, record
        at = _after_blanks(text, at)
        if text[at : at + 1] != ",":
            break
        at = _after_blanks(text, at + 1)
        index += 1
    if text[at : at + 1] != "]":
        raise DecodeError(f"{_place(path, text, at)}: JSON syntax: a comma or ] is expected here")
    at = _after_blanks(text, at + 1)
    if at != len(text):
        raise DecodeError(f"{_place(path, text, at)}: JSON syntax: text after the array")


class _Objects:
    """Makes objects; a name is stored once for all records, and refused twice in one."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}

    def __call__(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        made = {self._names.setdefault(name, name): value for name, value in pairs}
        if len(made) != len(pairs):
            names = [name for name, _ in pairs]
            twice = next(name for name in names if names.count(name) > 1)
            raise DecodeError(f"the name {twice} stands twice in one object", "keep one of the two")
        return made


def _no_number(word: str) -> Any:
    raise DecodeError(f"{word} is not a number of JSON")


def _after_blanks(text: str, at: int) -> int:
    found = _BLANKS.match(text, at)
    return found.end() if found else at


def _place(path: Path, text: str, at: int) -> str:
    return f"{path}:{text.count(chr(10), 0, at) + 1}:{at - text.rfind(chr(10), 0, at)}"
