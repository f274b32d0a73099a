"""External data in memory: records by their foreign key, ready to be asked at every request."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address
from types import MappingProxyType
from typing import Any, Final, Protocol

from pomerium_tw.model import Identity, Request, believable_email

Record = Mapping[str, Any]
"""Fields of one record: JSON values as plain Python."""
Key = str | IPv4Network | IPv6Network

_CLAIM: Final = "claim."


class RecordSource(Protocol):
    """All records of one type."""

    @property
    def record_type(self) -> str: ...

    @property
    def foreign_key(self) -> str:
        """What of a request finds a record: ``user.id``, ``user.email``, ``session.id``, ``request.ip``,
        ``request.client_certificate.fingerprint`` or ``claim.NAME``."""

    @property
    def records(self) -> Mapping[Key, Record]:
        """Records by the value of the foreign key; by network where that is ``request.ip``. A fingerprint is
        written as 64 lower-case hexadecimal digits."""


class _Index(Protocol):
    @property
    def needs_session(self) -> bool: ...

    def find(self, request: Request, identity: Identity) -> Record | None: ...


class ExternalData:
    """The records of all sources; implements :class:`~.environment.Records`.

    Raises ValueError for an unknown foreign key and for a record type that two sources give.
    """

    def __init__(self, sources: Iterable[RecordSource] = (), *, strict: bool = False) -> None:
        """``strict``: an address that may not be the caller's finds nothing (``strict_policy``)."""
        self._indexes: dict[str, _Index] = {}
        for source in sources:
            if source.record_type in self._indexes:
                raise ValueError(f"two sources give {source.record_type}")
            self._indexes[source.record_type] = _index(source, strict=strict)

    @property
    def types(self) -> Collection[str]:
        return self._indexes.keys()

    def needs_session(self, record_type: str) -> bool:
        index = self._indexes.get(record_type)
        return index is not None and index.needs_session

    def find(self, record_type: str, request: Request, identity: Identity) -> Record | None:
        index = self._indexes.get(record_type)
        return None if index is None else index.find(request, identity)


@dataclass(frozen=True, slots=True)
class _ByText:
    """Records under texts. The empty text stands for what the caller has not, and finds nothing."""

    records: Mapping[Any, Record]
    keys: Callable[[Request, Identity], Iterable[str]]
    """What to look under, the first that has a record counts."""
    needs_session: bool

    def find(self, request: Request, identity: Identity) -> Record | None:
        for key in self.keys(request, identity):
            if key and (record := self.records.get(key)) is not None:
                return record
        return None


class _ByAddress:
    """Records under networks; the most specific one counts.

    One dictionary for each length of prefix, longest first: a look-up asks at most 33 for IPv4 and 129
    for IPv6, however many networks there are.
    """

    needs_session = False

    def __init__(self, records: Mapping[Any, Record]) -> None:
        tables: dict[tuple[int, int], dict[int, Record]] = {}
        for network, record in records.items():
            shift = network.max_prefixlen - network.prefixlen
            table = tables.setdefault((network.version, shift), {})
            table[int(network.network_address) >> shift] = record
        self._tables = {
            version: [
                (shift, table) for (of, shift), table in sorted(tables.items(), key=_place) if of == version
            ]
            for version in (4, 6)
        }

    def find(self, request: Request, _identity: Identity) -> Record | None:
        try:
            address = ip_address(request.peer.address)
        except ValueError:
            return None
        if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        number = int(address)
        for shift, table in self._tables[address.version]:
            if (record := table.get(number >> shift)) is not None:
                return record
        return None


def _place(table: tuple[tuple[int, int], dict[int, Record]]) -> tuple[int, int]:
    return table[0]


def _fingerprint(request: Request, _identity: Identity) -> Iterable[str]:
    certificate = request.certificate
    return (certificate.fingerprint,) if certificate is not None and certificate.leaf else ()


def _believable(_request: Request, identity: Identity) -> Iterable[str]:
    return (believable_email(identity) or "",)


_KEYS: Final[Mapping[str, tuple[Callable[[Request, Identity], Iterable[str]], bool]]] = MappingProxyType(
    {
        "user.id": (lambda _request, identity: (identity.user_id,), True),
        "user.email": (lambda _request, identity: (identity.email,), True),
        "session.id": (lambda _request, identity: (identity.session.id,) if identity.session else (), True),
        "request.client_certificate.fingerprint": (_fingerprint, False),
    }
)
"""Foreign keys that are texts: where a request has them, and whether they need a session."""


def _claim(name: str) -> Callable[[Request, Identity], Iterable[str]]:
    """The values of a claim, whole numbers as texts."""

    def keys(_request: Request, identity: Identity) -> Iterable[str]:
        values = identity.claims.get(name, ())
        return [str(each) for each in values if isinstance(each, str | int) and not isinstance(each, bool)]

    return keys


def _index(source: RecordSource, *, strict: bool) -> _Index:
    if source.foreign_key == "request.ip":
        return _ByAddress(source.records)
    if source.foreign_key.startswith(_CLAIM):
        return _ByText(source.records, _claim(source.foreign_key.removeprefix(_CLAIM)), needs_session=True)
    if source.foreign_key not in _KEYS:
        raise ValueError(f"there is no foreign key {source.foreign_key}")
    keys, needs_session = _KEYS[source.foreign_key]
    if strict and source.foreign_key == "user.email":
        keys = _believable
    return _ByText(source.records, keys, needs_session)
