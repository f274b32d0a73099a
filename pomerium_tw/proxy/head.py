"""The bytes of one request head become a :class:`~pomerium_tw.model.Head`: checked, sorted and stripped.

Strict by RFC 9112: what two parsers could read differently is refused (spec/threats SM rows). Pure functions
of bytes and rules, so that a connection may remember the last blocks it saw.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from ..model import Head

MAX_HEAD_BYTES = 128 * 1024
"""Longest request line plus header block (spec/proxy §3.6)."""
MAX_HEADERS = 1000
"""Most header lines in one block (spec/proxy §3.6)."""

UnderscoreAction = Literal["allow", "reject_request", "drop_header"]

_TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]++"
_LINES = re.compile(rb"(?:" + _TOKEN + rb":[\t\x20-\x7e\x80-\xff]*+\r\n)*+")
_FIELD = re.compile(rb"([^:\r\n]++):([^\r\n]*+)\r\n")
_HOST = re.compile(rb"(\[[0-9A-Fa-f:.]{2,45}\]|[0-9A-Za-z_-]+(?:\.[0-9A-Za-z_-]+)*+\.?)(?::([0-9]{1,5}))?")
_LENGTH = re.compile(rb"[0-9]{1,18}")
_ALIAS = bytes.maketrans(b"_.", b"--")

_HOP_BY_HOP = frozenset(
    (
        b"connection",
        b"keep-alive",
        b"proxy-connection",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
        b"http2-settings",
    )
)
_REBUILT = frozenset(
    (
        b"host",
        b"cookie",
        b"content-length",
        b"expect",
        b"x-request-id",
        b"x-forwarded-for",
        b"x-forwarded-proto",
        b"x-forwarded-host",
    )
)
"""Headers that we write ourselves from what was understood, never by copying the line."""
_UNTRUSTED = frozenset(
    (
        b"forwarded",
        b"proxy",
        b"x-real-ip",
        b"x-forwarded-port",
        b"x-forwarded-prefix",
        b"x-forwarded-server",
        b"x-forwarded-uri",
        b"x-forwarded-method",
        b"x-forwarded-client-cert",
        b"x-client-cert",
        b"x-original-url",
        b"x-rewrite-url",
    )
)
"""Claims about the connection that only a trusted hop may make; dropped (spec/threats HS-11..14, HS-19)."""
_UNTRUSTED_PREFIXES = (b"x-pomerium-", b"x-envoy-", b"x-ssl-client-")
_NOT_NOMINABLE = (
    _REBUILT | _UNTRUSTED | frozenset((b"authorization", b"content-type", b"content-encoding", b"date"))
)
"""What ``Connection`` cannot make us drop (spec/threats HS-05)."""


class HeadError(ValueError):
    """A request head that is refused; carries the status that says so (the connection closes after it)."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


@dataclass(frozen=True)
class HeadRules:
    """What a generation makes of header lines."""

    own_cookies: re.Pattern[bytes] | None = None
    """Full-matches the names of cookies that are ours: they stay out of :attr:`Head.passed`."""
    owned_names: frozenset[bytes] = frozenset()
    """Aliases (see :func:`alias`) of further headers that are ours to write: the configured claim headers."""
    underscores: UnderscoreAction = "reject_request"


def alias(name: bytes) -> bytes:
    """The spelling under which upstreams may confuse header names: lower case, ``_`` and ``.`` as ``-``."""
    return name.lower().translate(_ALIAS)


def incomplete_fault(buffer: bytes, seen: int = 0) -> HeadError | None:
    """Whether an unfinished head can already not become a good one: a bare CR or LF, or too many bytes.

    ``seen``: how many of its bytes were found good before.
    """
    at = seen - 1 if buffer[seen - 1 : seen] == b"\r" else seen
    ends = buffer.count(b"\r\n", at)
    if buffer.count(b"\n", at) != ends or buffer.count(b"\r", at, -1) > ends:
        return HeadError(400, "a line of the request does not end in CRLF")
    if len(buffer) > MAX_HEAD_BYTES:
        return HeadError(431, "the request head is too large")
    return None


def parse_head(block: bytes, rules: HeadRules) -> Head:
    """``block``: header lines, each with its CRLF, without the blank line. Raises HeadError."""
    if block.count(b"\r\n") > MAX_HEADERS:
        raise HeadError(431, "the request has too many header lines")
    if _LINES.fullmatch(block) is None:
        raise HeadError(400, "a header line is malformed")
    return _HeadBuilder(rules, _FIELD.findall(block)).build()


class _HeadBuilder:
    """Collects what the lines mean."""

    def __init__(self, rules: HeadRules, lines: list[tuple[bytes, bytes]]) -> None:
        self.rules = rules
        self.lines = lines
        self.fields: list[tuple[bytes, bytes]] = []
        self.passed: list[bytes] = []
        self.host: list[bytes] = []
        self.lengths: list[bytes] = []
        self.encodings: list[bytes] = []
        self.cookies: list[bytes] = []
        self.tokens: set[bytes] = set()
        self.upgrade: list[bytes] = []
        self.expect: list[bytes] = []
        self.collectors = {
            b"host": self.host.append,
            b"content-length": self.lengths.append,
            b"transfer-encoding": self.encodings.append,
            b"cookie": self.cookies.append,
            b"upgrade": self.upgrade.append,
            b"expect": self.expect.append,
        }

    def build(self) -> Head:
        for name, value in self.lines:
            if name.lower() == b"connection":
                self.tokens.update(token.strip(b" \t").lower() for token in value.split(b","))
        for name, value in self.lines:
            self._line(name, value)
        host, port = _host(self.host)
        length, chunked = _framing(self.lengths, self.encodings)
        cookie = b"; ".join(self.cookies) if self.cookies else None
        if cookie is not None:
            kept = _foreign_cookies(cookie, self.rules.own_cookies)
            if kept:
                self.passed.append(b"Cookie: " + kept + b"\r\n")
        return Head(
            host=host,
            port=port,
            fields=tuple(self.fields),
            passed=b"".join(self.passed),
            cookie=cookie,
            content_length=length,
            chunked=chunked,
            close=b"close" in self.tokens,
            upgrade=_upgrade(self.tokens, self.upgrade),
            expect_continue=_expect(self.expect),
        )

    def _line(self, name: bytes, value: bytes) -> None:
        lower = name.lower()
        stripped = value.strip(b" \t")
        if b"_" in name and self.rules.underscores != "allow":
            if self.rules.underscores == "reject_request":
                raise HeadError(400, "a header name holds an underscore")
            return
        self.fields.append((lower, stripped))
        collect = self.collectors.get(lower)
        if collect is not None:
            collect(stripped)
        if self._passes(lower, stripped):
            self.passed.append(name + b":" + value + b"\r\n")

    def _passes(self, lower: bytes, value: bytes) -> bool:
        spelled = lower.translate(_ALIAS)
        if (
            spelled in _HOP_BY_HOP
            or spelled in _REBUILT
            or spelled in _UNTRUSTED
            or spelled in self.rules.owned_names
        ):
            return False
        if spelled.startswith(_UNTRUSTED_PREFIXES):
            return False
        if spelled == b"authorization":
            return not is_own_authorization(value)
        return lower not in self.tokens or lower in _NOT_NOMINABLE


def is_own_authorization(value: bytes) -> bool:
    """Whether an Authorization value speaks to us and not to the upstream (spec/identity §8.2)."""
    return value[:16].lower().startswith((b"pomerium ", b"bearer pomerium-"))


def _host(values: list[bytes]) -> tuple[str, int | None]:
    if len(values) != 1:
        raise HeadError(400, "a request names exactly one Host")
    match = _HOST.fullmatch(values[0])
    if match is None:
        raise HeadError(400, "the Host is malformed")
    port = int(match[2]) if match[2] else None
    if port is not None and not 0 < port < 65536:
        raise HeadError(400, "the Host names an impossible port")
    return match[1].decode("ascii").lower().rstrip("."), port


def _framing(lengths: list[bytes], encodings: list[bytes]) -> tuple[int | None, bool]:
    """Body length or chunked: exactly one way to read the body, or none (RFC 9112 §6)."""
    if encodings:
        codings = [coding.strip(b" \t").lower() for line in encodings for coding in line.split(b",")]
        if (
            lengths
            or len(encodings) > 1
            or (b"chunked" in codings and codings != [b"chunked"] and b"identity" in codings)
        ):
            raise HeadError(400, "the length of the body is ambiguous")
        if codings != [b"chunked"]:
            known = all(coding.split(b";")[0] in (b"chunked", b"identity") for coding in codings)
            raise HeadError(400 if known else 501, "the transfer coding is not supported: only chunked is")
        return None, True
    if not lengths:
        return None, False
    if len(lengths) > 1 or _LENGTH.fullmatch(lengths[0]) is None:
        raise HeadError(400, "the Content-Length is not one decimal number")
    return int(lengths[0]), False


def _foreign_cookies(cookie: bytes, own: re.Pattern[bytes] | None) -> bytes:
    """The Cookie value without our own cookies, the rest byte for byte."""
    if own is None:
        return cookie
    pairs = cookie.split(b";")
    kept = [pair for pair in pairs if own.fullmatch(pair.split(b"=", 1)[0].strip(b" \t")) is None]
    return cookie if len(kept) == len(pairs) else b";".join(kept).strip(b" \t")


def _upgrade(tokens: Iterable[bytes], values: list[bytes]) -> bytes | None:
    return values[0].lower() if b"upgrade" in tokens and len(values) == 1 else None


def _expect(values: list[bytes]) -> bool:
    if not values:
        return False
    if len(values) > 1 or values[0].lower() != b"100-continue":
        raise HeadError(417, "the only expectation that is understood is 100-continue")
    return True
