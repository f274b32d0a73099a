"""The access log: one JSON line for every exchange (spec/proxy §5.7)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from json.encoder import encode_basestring_ascii as quote
from typing import NamedTuple

from ..model import Head, Request
from .lines import LineWriter
from .stamp import Stamp
from .template import compile_fields

DEFAULT_ACCESS_FIELDS = (
    "upstream-cluster",
    "method",
    "authority",
    "path",
    "user-agent",
    "referer",
    "forwarded-for",
    "request-id",
    "duration",
    "size",
    "response-code",
    "response-code-details",
)
MAX_FIELD_CHARACTERS = 2048
"""Longer values of client-sent fields are cut, with their length noted (spec/threats LG-03)."""

CREDENTIAL_HEADERS = frozenset(
    (
        b"authorization",
        b"cookie",
        b"proxy-authorization",
        b"x-pomerium-authorization",
        b"x-pomerium-jwt-assertion",
        b"x-pomerium-jwt-assertion-for",
    )
)
"""Headers that are logged as stars when they are chosen: who reads the log must not become the caller."""
STARS = "********"


class Access(NamedTuple):
    """What the log says of one finished exchange."""

    request: Request
    cluster: str
    """Name of the upstream cluster, "" for answers of our own."""
    started: float
    """Seconds since the epoch."""
    ended: float
    size: int
    """Body bytes sent downstream."""
    status: int
    details: str
    """Why this status: ``via_upstream``, ``route_not_found`` …"""


def clip(text: str) -> str:
    """Client-sent text in a length fit for a log."""
    if len(text) <= MAX_FIELD_CHARACTERS:
        return text
    return f"{text[:MAX_FIELD_CHARACTERS]}… ({len(text)} characters)"


def escaped(raw: bytes) -> str:
    """A part of a request target as a JSON string."""
    return quote(clip(raw.decode("ascii")))


_MOVING = {
    "upstream-cluster": ',"upstream-cluster":{quote(access.cluster)}',
    "cluster-stat-name": ',"cluster-stat-name":{quote(access.cluster)}',
    "method": ',"method":"{access.request.method}"',
    "path": ',"path":{escaped(access.request.target.raw_path)}',
    "query": ',"query":{escaped(access.request.target.query or b"")}',
    "request-id": ',"request-id":"{access.request.id}"',
    "ip": ',"ip":"{access.request.peer.address}"',
    "duration": ',"duration":{(access.ended - access.started) * 1000:.3f}',
    "size": ',"size":{access.size}',
    "response-code": ',"response-code":{access.status}',
    "response-code-details": ',"response-code-details":{quote(access.details)}',
}
"""Fields that differ from one exchange to the next; see :mod:`.template`."""

_OF_HEAD: dict[str, Callable[[Request], str]] = {
    "authority": lambda request: request.authority,
    "user-agent": lambda request: request.head.text(b"user-agent"),
    "referer": lambda request: request.head.text(b"referer").partition("?")[0],
    "forwarded-for": lambda request: request.head.text(b"x-forwarded-for"),
}
"""Fields that depend on the header block alone."""

ACCESS_FIELDS = frozenset((*_MOVING, *_OF_HEAD))
_QUIET_PATHS = frozenset(("/ping", "/healthz"))


class AccessLog:
    """Writes chosen fields of every exchange; probes are left out unless ``debug``.

    Unknown field names are the caller's to report: they are ignored here.
    """

    def __init__(
        self,
        writer: LineWriter,
        fields: Iterable[str] = DEFAULT_ACCESS_FIELDS,
        *,
        enabled: bool = True,
        debug: bool = False,
    ) -> None:
        fields = tuple(fields)
        self._enabled = enabled
        self._writer = writer
        scope = {"quote": quote, "escaped": escaped}
        self._fields = compile_fields("access", fields, _MOVING, scope, _OF_HEAD, _remembered)
        self._headers = header_fragment(fields)
        self._debug = debug
        self._stamp = Stamp()

    def record(self, access: Access) -> None:
        if not self._enabled:
            return
        level = "info"
        if access.request.target.path in _QUIET_PATHS:
            if not self._debug:
                return
            level = "debug"
        body = self._fields(access)
        if self._headers is not None:
            body += self._headers(access.request.head)
        time = self._stamp(access.ended)
        self._writer.line(
            f'{{"level":"{level}","time":"{time}","message":"http-request","service":"proxy"{body}}}\n'
        )


def _remembered(names: tuple[str, ...]) -> Callable[[Access], str]:
    """Fields of the header block as one text, which the block remembers."""

    def text(access: Access) -> str:
        request = access.request
        memo = request.head.memo
        found: str | None = memo.get(text)
        if found is None:
            pairs = [f',"{name}":{quote(clip(_OF_HEAD[name](request)))}' for name in names]
            found = memo[text] = "".join(pairs)
        return found

    return text


def header_fragment(fields: Iterable[str]) -> Callable[[Head], str] | None:
    """The JSON member ``headers``: all, or those of the fields ``headers.NAME``; None without them."""
    fields = tuple(fields)
    if "headers" in fields:
        return _all_headers
    names = [name.removeprefix("headers.") for name in fields if name.startswith("headers.")]
    wanted = [(name, name.lower().encode()) for name in names]

    def fragment(head: Head) -> str:
        pairs = [_pair(name, key, head) for name, key in wanted if head.get(key) is not None]
        return f',"headers":{{{",".join(pairs)}}}'

    return fragment if wanted else None


def _all_headers(head: Head) -> str:
    keys = dict.fromkeys(key for key, _value in head.fields)
    pairs = [_pair(_canonical(key), key, head) for key in keys]
    return f',"headers":{{{",".join(pairs)}}}'


def _canonical(key: bytes) -> str:
    return "-".join([part.capitalize() for part in key.decode("ascii").split("-")])


def _pair(name: str, key: bytes, head: Head) -> str:
    return f"{quote(name)}:{quote(STARS if key in CREDENTIAL_HEADERS else clip(head.text(key)))}"
