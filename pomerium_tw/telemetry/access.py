"""The access log: one JSON line for every exchange (spec/proxy §5.7)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from json.encoder import encode_basestring_ascii as quote
from typing import Protocol

from ..model import Head, Request
from .hiding import STARS, hidden_in_url, without_secrets
from .lines import LineWriter
from .stamp import Stamp
from .template import Line

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
MAX_FIELD_LENGTH = 2048
"""Longer values of client-sent fields are cut, with their length noted (spec/threats LG-03): in bytes as they
were sent, in characters of what was read as text before."""

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


class Access(Protocol):
    """What the log says of a finished exchange."""

    request: Request
    cluster_name: str
    """Of the upstream; "" for answers of our own."""
    started: float
    """Seconds since the epoch."""
    sent: int
    """Body bytes sent downstream."""
    status: int
    details: str
    """Why this status: ``via_upstream``, ``route_not_found`` …"""
    flag: str
    """Why it failed, in two or more letters; "" of what did not (spec/proxy §3.10)."""


def clip(text: str) -> str:
    """Client-sent text in a length fit for a log."""
    if len(text) <= MAX_FIELD_LENGTH:
        return text
    return f"{text[:MAX_FIELD_LENGTH]}… ({len(text)} characters)"


def escaped(raw: bytes) -> str:
    """A path as a JSON string."""
    if len(raw) <= MAX_FIELD_LENGTH:
        return quote(raw.decode("ascii"))
    return quote(_shown(raw))


def escaped_query(raw: bytes | None) -> str:
    """A query as a JSON string, its codes and tokens as stars."""
    return quote(_shown(raw, without_secrets)) if raw else '""'


def _shown(raw: bytes, hide: Callable[[bytes], bytes] | None = None) -> str:
    """Client-sent bytes as text, cut before anything is made of them: what is long costs no more.

    ``hide``: puts stars where secrets are.
    """
    kept = raw
    if len(raw) > MAX_FIELD_LENGTH:
        end = MAX_FIELD_LENGTH
        # Not inside of a character: continuation bytes of UTF-8 are at most three (RFC 3629 §3).
        while end > MAX_FIELD_LENGTH - 3 and raw[end] & 0xC0 == 0x80:
            end -= 1
        kept = raw[:end]
    text = (hide(kept) if hide else kept).decode("utf-8", "backslashreplace")
    return text if kept is raw else f"{text}… ({len(raw)} bytes)"


def _header(name: bytes) -> Callable[[Head], str]:
    """The value of a header; "" where there is none."""
    return lambda head: _shown(head.get(name) or b"")


def _before_query(url: bytes) -> bytes:
    return url.partition(b"?")[0]


def _referer(head: Head) -> str:
    return _shown(_before_query(head.get(b"referer") or b""))


_MOVING = {
    "upstream-cluster": ',"upstream-cluster":{quote(exchange.cluster_name)}',
    "cluster-stat-name": ',"cluster-stat-name":{quote(exchange.cluster_name)}',
    "method": ',"method":"{method}"',
    "path": ',"path":{escaped(target[0])}',
    "query": ',"query":{escaped_query(target[2])}',
    "request-id": ',"request-id":"{request_id}"',
    "ip": ',"ip":"{peer[0]}"',
    "duration": ',"duration":{(ended - exchange.started) * 1000:.3f}',
    "size": ',"size":{exchange.sent}',
    "response-code": ',"response-code":{exchange.status}',
    "response-code-details": ',"response-code-details":{quote(exchange.details)}',
    "response-flags": ',"response-flags":"{exchange.flag}"',
}
"""Fields that differ from one exchange to the next; see :mod:`.template`."""

_OF_HEAD: dict[str, Callable[[Head], str]] = {
    "authority": lambda head: clip(head.authority),
    "user-agent": _header(b"user-agent"),
    "referer": _referer,
    "forwarded-for": _header(b"x-forwarded-for"),
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
        self._later = writer.later
        self._debug = debug
        headers = header_fragment(fields)
        names = {
            "quote": quote,
            "escaped": escaped,
            "escaped_query": escaped_query,
            "headers": headers,
            "stamp": Stamp(),
        }
        line = Line(
            "exchange, ended, level",
            "request_id, method, _, target, head, peer, *_ = exchange.request",
            '{{"level":"{level}","time":"{stamp(ended)}","message":"http-request","service":"proxy"',
            _MOVING,
            _OF_HEAD,
            _remembered,
            "head",
            names,
        )
        end = "}}" if headers is None else "{headers(head)}}}"
        self._line = line.compile(fields, end)
        self._refused = line.compile(fields if "ip" in fields else (*fields, "ip"), end)

    def record(self, exchange: Access, ended: float) -> None:
        """``ended``: seconds since the epoch."""
        if self._enabled:
            self._later(self._made, exchange, ended)

    def record_refused(self, exchange: Access, ended: float) -> None:
        """As :meth:`record`, of what is no request: always with ``ip``, for no other log tells of it.

        Whatever path it names, it is no probe.
        """
        if self._enabled:
            self._later(self._refused, exchange, ended, "info")

    def _made(self, exchange: Access, ended: float) -> str:
        if exchange.request[3][1] not in _QUIET_PATHS:
            return self._line(exchange, ended, "info")
        return self._line(exchange, ended, "debug") if self._debug else ""


def _remembered(names: tuple[str, ...]) -> Callable[[Head], str]:
    """Fields of the header block as one text, which the block remembers."""

    wanted = [(f',"{name}":', _OF_HEAD[name]) for name in names]

    def text(head: Head) -> str:
        found: str | None = head.memo.get(text)
        if found is None:
            found = head.memo[text] = "".join([start + quote(of(head)) for start, of in wanted])
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
    return f"{quote(name)}:{quote(_header_text(key, head.get(key) or b''))}"


def _header_text(key: bytes, value: bytes) -> str:
    if key in CREDENTIAL_HEADERS:
        return STARS
    if key == b"referer":
        return _shown(_before_query(value))
    return _shown(value, hidden_in_url)
