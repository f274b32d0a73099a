"""``external_data``: records that policies ask about, read while the configuration is loaded (spec/ppl §3).

Pomerium finds a record by its ``id``, which is then the user id, the e-mail address and so on; its manual
also shows records with a field called like the foreign key. Both count: where any record of a file has such a
field, that field is the key, and all records of the file must have it. For ``request.ip`` a record may name
its network in ``$index: {cidr: ...}`` too.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, PlainValidator, ValidationInfo

from policy_grammar import did_you_mean

from .files import read_bytes, utf8
from .problem import DecodeError
from .record_files import MAX_RECORDS_BYTES, Placed, Record, records_of
from .values import Word, kind_of, word

Key = str | ipaddress.IPv4Network | ipaddress.IPv6Network

FOREIGN_KEYS = (
    "user.id",
    "user.email",
    "session.id",
    "request.ip",
    "request.client_certificate.fingerprint",
)
"""What of a request may find a record, besides ``claim.NAME``; the first is the default."""
CLAIM = "claim."

_FINGERPRINT = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class RecordsFile:
    """The records of a file as they stood when the configuration was loaded."""

    path: Path
    records: Mapping[Key, Record] = field(repr=False)
    """By the value of the foreign key; networks are IPv4 where they map IPv4."""


def foreign_key(value: Any) -> str:
    """One of :data:`FOREIGN_KEYS`, or ``claim.NAME``."""
    name = word(value)
    if name in FOREIGN_KEYS or (name.startswith(CLAIM) and name != CLAIM):
        return name
    raise DecodeError("this is not a foreign key", did_you_mean(name, [*FOREIGN_KEYS, "claim.NAME"]))


def read_records(value: Any, info: ValidationInfo) -> RecordsFile:
    """A file of records, under the foreign key that stands beside it."""
    path, data, _ = read_bytes(value, info, MAX_RECORDS_BYTES)
    records = list(records_of(path, utf8(path, data)))
    key = info.data.get("foreign_key")
    if key is None:  # It did not decode, which is reported already.
        return RecordsFile(path, {})
    return RecordsFile(path, _by_key(path, records, key))


def _by_key(path: Path, records: Collection[Placed], foreign: str) -> dict[Key, Record]:
    named = foreign if any(foreign in record for _, record in records) else "id"
    of: Callable[[Record, str], Key] = _READERS.get(foreign, _text)
    found: dict[Key, Record] = {}
    places: dict[Key, str] = {}
    for place, record in records:
        try:
            key = of(record, named)
        except DecodeError as fault:
            raise DecodeError(f"{place}: {fault.message}", fault.hint) from None
        if key in found:
            first = places[key].removeprefix(str(path))
            hint = f"keep one of it and the record at {first}"
            raise DecodeError(f"{place}: another record has the same {named}", hint)
        found[key] = record
        places[key] = place
    return found


def _text(record: Record, named: str) -> str:
    value = record.get(named)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, str) and value:
        return value
    fault = "is empty" if value == "" else "is missing" if value is None else f"is {kind_of(value)}, not text"
    raise DecodeError(f"the {named} of the record {fault}")


def _fingerprint(record: Record, named: str) -> str:
    found = _text(record, named).replace(":", "").lower()
    if not _FINGERPRINT.fullmatch(found):
        message = f"the {named} of the record is not a SHA-256 fingerprint"
        raise DecodeError(message, "write 64 hexadecimal digits")
    return found


def _network(record: Record, named: str) -> Key:
    index = record.get("$index")
    if index is not None:
        if not isinstance(index, Mapping) or not isinstance(index.get("cidr"), str):
            raise DecodeError(
                "$index of the record holds no cidr", 'write "$index": {"cidr": "192.0.2.0/24"}'
            )
        written = index["cidr"]
    else:
        written = _text(record, named)
    try:
        if "%" in written:
            raise ValueError("a zone means nothing to other machines")
        network = ipaddress.ip_network(written, strict=False)
    except ValueError:
        what = "cidr of $index" if index is not None else named
        hint = "write an address such as 192.0.2.1, or a network such as 192.0.2.0/24"
        raise DecodeError(f"the {what} of the record is not an address or network", hint) from None
    mapped = getattr(network.network_address, "ipv4_mapped", None)
    if mapped is None:
        return network
    return ipaddress.IPv4Network((int(mapped), network.prefixlen - 96))


_READERS: Mapping[str, Callable[[Record, str], Key]] = {
    "request.ip": _network,
    "request.client_certificate.fingerprint": _fingerprint,
}


ForeignKey = Annotated[str, PlainValidator(foreign_key)]
RecordsPath = Annotated[RecordsFile, PlainValidator(read_records)]


class ExternalSource(BaseModel):
    """One entry of ``external_data``."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", arbitrary_types_allowed=True, hide_input_in_errors=True
    )

    record_type: Word
    foreign_key: ForeignKey = FOREIGN_KEYS[0]  # stands before file, which needs it
    file: RecordsPath

    @property
    def records(self) -> Mapping[Key, Record]:
        """The records by the value of their foreign key."""
        return self.file.records
