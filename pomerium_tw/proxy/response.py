"""The head of an upstream's answer: checked, and reduced to what goes downstream (spec/threats SM-22)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple

from ..model import Route
from .head import MAX_HEAD_BYTES, MAX_HEADERS, too_many_options
from .header_names import HEADER_LINE, alias, header_lines

_STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-9][0-9]{2})(?: ([\t\x20-\x7e\x80-\xff]*))?")
_LENGTH = re.compile(rb"[0-9]{1,18}")
_NAME_END = re.compile(rb"[=;]")
"""Of a cookie."""

_DROPPED = frozenset(
    (
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authentication-info",
        b"proxy-connection",
        b"te",
        b"transfer-encoding",
        b"trailer",
        b"upgrade",
        b"x-request-id",
    )
)


_EVENTS = b"text/event-stream"
_LENGTH_ONLY = frozenset((b"content-length",))
_BY_CONNECTION = re.compile(rb"(?i:(?:^|,)[ \t]*(?:ntlm|nego))")
"""A challenge of a scheme that signs in whoever uses the connection (RFC 4559): NTLM, Negotiate, Nego2."""
_NOT_NOMINABLE = frozenset(
    (b"content-length", b"content-type", b"content-encoding", b"date", b"set-cookie", b"location")
)
"""What an upstream's ``Connection`` does not make us drop: the answer would mean something else."""


class ResponseError(ValueError):
    """An answer that cannot be passed on: how it ends is not certain, or it is not HTTP/1."""


class ResponseHead(NamedTuple):
    """The facts of one head, shared by every answer with the same bytes."""

    status: int
    status_line: bytes
    """Code and reason phrase as sent downstream."""
    lines: bytes
    """Header lines that go downstream, the route's own among them; Content-Length when it is known."""
    length: int | None
    """Declared body length in bytes; 0 where the status allows no body."""
    chunked: bool
    reusable: bool
    """The connection may carry another request after this answer."""
    event_stream: bool
    """It lasts as long as somebody listens (``text/event-stream``)."""
    dated: bool
    """It says when it was made: if not, whoever passes it on does (RFC 9110 §6.6.1)."""


Rewrites = Mapping[bytes, tuple[tuple[bytes, bytes], ...]]
"""Header in lower case → (what its value begins with, what it begins with instead), one after the other."""
_NO_REWRITES: Rewrites = MappingProxyType({})


@dataclass(frozen=True)
class ResponseRules:
    """What a route makes of an upstream's header lines."""

    overwritten: frozenset[bytes] = frozenset()
    """Names (lower case) that we set instead."""
    own_cookies: re.Pattern[bytes] | None = None
    """Full-matches the names of cookies that are ours: no upstream may set one."""
    rewrites: Rewrites = field(default_factory=lambda: _NO_REWRITES)
    added: bytes = b""
    """Header lines that every answer gets."""

    @classmethod
    def of(cls, route: Route, own_cookies: re.Pattern[bytes] | None = None) -> ResponseRules:
        """The rules of one route; rewriting comes before what is set (spec/proxy §3.5)."""
        rewrites: dict[bytes, tuple[tuple[bytes, bytes], ...]] = {}
        for rule in route.rewrite_response_headers:
            name = rule.header.lower().encode("ascii")
            rewrites[name] = (*rewrites.get(name, ()), (rule.prefix.encode(), rule.value.encode()))
        overwritten = frozenset(name.lower().encode("ascii") for name in route.set_response_headers)
        return cls(overwritten, own_cookies, rewrites, header_lines(route.set_response_headers))

    def rewritten(self, name: bytes, line: bytes, value: bytes) -> bytes:
        """``line`` with its value's beginning replaced, where a rule says so; b"" if it is ours then."""
        new = value
        for prefix, replacement in self.rewrites.get(name, ()):
            if new.startswith(prefix):
                new = replacement + new[len(prefix) :]
        if new is value:
            return line
        return b"" if self.forbids(name, new) else line[: len(name)] + b": " + new + b"\r\n"

    def forbids(self, name: bytes, value: bytes) -> bool:
        """Whether a line (name in lower case) speaks in our name."""
        if name == b"set-cookie" and self.own_cookies is not None:
            # Of a cookie without a name, browsers send the value back alone: what stands there is a name then
            # (RFC 6265bis §5.7).
            pair = value.lstrip(b"= \t")
            return self.own_cookies.fullmatch(_NAME_END.split(pair, maxsplit=1)[0].strip(b" \t")) is not None
        return alias(name).startswith(b"x-pomerium-")


def parse_response_head(block: bytes, rules: ResponseRules) -> ResponseHead:
    """``block``: status line and header lines with their CRLFs. Raises ResponseError."""
    first, _, rest = block.partition(b"\r\n")
    match = _STATUS_LINE.fullmatch(first)
    found = HEADER_LINE.findall(rest) if len(block) <= MAX_HEAD_BYTES else []
    # Lines that are none are skipped by findall: then what it found is shorter than the block.
    if match is None or len(found) > MAX_HEADERS or sum(len(line) for line, _, _ in found) != len(rest):
        raise ResponseError("the answer's head is not HTTP/1")
    status = int(match[2])
    lengths: list[bytes] = []
    codings: list[bytes] = []
    options: list[bytes] = []
    fields = [(name.lower(), line, value) for line, name, value in found]
    for lower, _, value in fields:
        if lower == b"content-length":
            lengths.append(value.strip(b" \t"))
        elif lower == b"transfer-encoding":
            codings.append(value.strip(b" \t").lower())
        elif lower == b"connection":
            options.append(value)
    if too_many_options(options):
        raise ResponseError("the answer's Connection is too long a list")
    tokens = {token.strip(b" \t").lower() for value in options for token in value.split(b",")}
    length, chunked = _framing(lengths, codings)
    # Neither has content, not even none of a length (RFC 9110 §8.6).
    lengthless = _LENGTH_ONLY if status in (101, 204) else frozenset()
    dropped = rules.overwritten | (tokens - _NOT_NOMINABLE) | lengthless
    rewritten = rules.rewritten if rules.rewrites else None
    passed = [
        line if rewritten is None else rewritten(lower, line, value)
        for lower, line, value in fields
        if alias(lower) not in _DROPPED and lower not in dropped and not rules.forbids(lower, value)
    ]
    # HTTP/1.0 upstreams close unless they say otherwise, and know no chunks (RFC 9112 §6.1).
    kept = b"close" not in tokens and (match[1] == b"1" or (b"keep-alive" in tokens and not chunked))
    if status == 204 and (chunked or length):
        # It announces what it cannot have: if that comes, it is no answer to our next request.
        kept = False
    passed.append(rules.added)
    return ResponseHead(
        status,
        match[2] + b" " + (match[3] or b""),
        b"".join(passed),
        0 if status in (204, 304) else length,
        chunked,
        kept and not _signs_in(fields),
        any(
            name == b"content-type" and value[: len(_EVENTS)].lower() == _EVENTS for name, _, value in fields
        ),
        b"date" in rules.overwritten or any(name == b"date" for name, _, _ in fields),
    )


def _signs_in(fields: list[tuple[bytes, bytes, bytes]]) -> bool:
    """Whether the upstream may take all that comes on this connection for one caller's."""
    return any(name == b"www-authenticate" and _BY_CONNECTION.search(value) for name, _, value in fields)


def _framing(lengths: list[bytes], codings: list[bytes]) -> tuple[int | None, bool]:
    if codings:
        if codings != [b"chunked"] or lengths:
            raise ResponseError("the answer's length is ambiguous")
        return None, True
    if not lengths:
        return None, False
    if len(lengths) > 1 or _LENGTH.fullmatch(lengths[0]) is None:
        raise ResponseError("the answer's Content-Length is not one decimal number")
    return int(lengths[0]), False
