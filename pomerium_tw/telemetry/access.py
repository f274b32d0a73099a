"""The access log: one JSON line for every exchange (spec/proxy §5.7)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from json.encoder import encode_basestring_ascii as quote
from typing import NamedTuple

from ..model import Request
from .lines import LineWriter
from .stamp import Stamp

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


Fragment = Callable[[Access], str]


def clip(text: str) -> str:
    """Client-sent text in a length fit for a log."""
    if len(text) <= MAX_FIELD_CHARACTERS:
        return text
    return f"{text[:MAX_FIELD_CHARACTERS]}… ({len(text)} characters)"


def _of_head(name: str, text: Callable[[Request], str]) -> Fragment:
    """A fragment that depends on the header block alone and is made once for it."""

    def fragment(access: Access) -> str:
        memo = access.request.head.memo
        found = memo.get(name)
        if found is None:
            found = memo[name] = f',"{name}":{quote(clip(text(access.request)))}'
        return found

    return fragment


def _path(access: Access) -> str:
    return f',"path":{quote(clip(access.request.target.raw_path.decode("ascii")))}'


_FRAGMENTS: dict[str, Fragment] = {
    "upstream-cluster": lambda access: f',"upstream-cluster":{quote(access.cluster)}',
    "cluster-stat-name": lambda access: f',"cluster-stat-name":{quote(access.cluster)}',
    "method": lambda access: f',"method":"{access.request.method}"',
    "authority": _of_head("authority", lambda request: request.authority),
    "path": _path,
    "query": lambda access: f',"query":{quote(clip((access.request.target.query or b"").decode("ascii")))}',
    "user-agent": _of_head("user-agent", lambda request: request.head.text(b"user-agent")),
    "referer": _of_head("referer", lambda request: request.head.text(b"referer").partition("?")[0]),
    "forwarded-for": _of_head("forwarded-for", lambda request: request.head.text(b"x-forwarded-for")),
    "request-id": lambda access: f',"request-id":"{access.request.id}"',
    "ip": lambda access: f',"ip":"{access.request.peer.address}"',
    "duration": lambda access: f',"duration":{(access.ended - access.started) * 1000:.3f}',
    "size": lambda access: f',"size":{access.size}',
    "response-code": lambda access: f',"response-code":{access.status}',
    "response-code-details": lambda access: f',"response-code-details":"{access.details}"',
}
ACCESS_FIELDS = frozenset(_FRAGMENTS)
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
        self._fragments = [_FRAGMENTS[name] for name in fields if name in _FRAGMENTS]
        headers = [name.removeprefix("headers.") for name in fields if name.startswith("headers.")]
        if headers:
            self._fragments.append(_selected_headers(headers))
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
        body = "".join([fragment(access) for fragment in self._fragments])
        self._writer.line(
            f'{{"level":"{level}","time":"{self._stamp(access.ended)}","message":"http-request","service":"proxy"{body}}}\n'
        )


def _selected_headers(names: list[str]) -> Fragment:
    def fragment(access: Access) -> str:
        head = access.request.head
        found = ((name, head.get(name.lower().encode())) for name in names)
        pairs = [f"{quote(name)}:{quote(clip(head.text(name.lower().encode())))}" for name, value in found if value is not None]
        return f',"headers":{{{",".join(pairs)}}}'

    return fragment
