"""The bytes of one request head become a :class:`~pomerium_tw.model.Head`: checked, sorted and stripped.

Strict by RFC 9112: what two parsers could read differently is refused (spec/threats SM rows). Pure functions
of bytes and rules, so that a connection may remember the last blocks it saw.
"""

from __future__ import annotations

import re

from ..model import Head
from .header_names import HEADER_LINE, PASSED, READ, REFUSED, HeadRules, alias, nominable

MAX_HEAD_BYTES = 128 * 1024
"""Longest request line plus header block (spec/proxy §3.6)."""
MAX_HEADERS = 1000
"""Most header lines in one block (spec/proxy §3.6)."""

_HOST = re.compile(rb"(\[[0-9A-Fa-f:.]{2,45}\]|[0-9A-Za-z_-]+(?:\.[0-9A-Za-z_-]+)*+\.?)(?::([0-9]{1,5}))?")
_LENGTH = re.compile(rb"[0-9]{1,18}")
_NOTHING: list[bytes] = []
_NO_TOKENS: frozenset[bytes] = frozenset()
_CONNECTION_OPTIONS = frozenset((b"close", b"keep-alive", b"upgrade"))


class HeadError(ValueError):
    """A request head that is refused; carries the status that says so (the connection closes after it)."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


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
    found = HEADER_LINE.findall(block)
    if len(found) > MAX_HEADERS:
        raise HeadError(431, "the request has too many header lines")
    known = rules.known
    read: dict[bytes, list[bytes]] = {}
    fields: list[tuple[bytes, bytes]] = []
    index: dict[bytes, bytes] = {}
    passed: list[bytes] = []
    size = 0
    for line, name, value in found:
        size += len(line)
        entry = known.get(name)
        lower, verdict = rules.classify(name) if entry is None else entry
        value = value.rstrip(b" \t")  # noqa: PLW2901 - the value that was meant
        if verdict > READ:
            if verdict == REFUSED:
                raise HeadError(400, "a header name holds an underscore")
            continue  # UNSEEN
        fields.append((lower, value))
        index[lower] = index[lower] + b", " + value if lower in index else value
        if verdict == PASSED:
            passed.append(line)
        elif verdict == READ:
            read.setdefault(lower, []).append(value)
            if lower == b"authorization" and not is_own_authorization(value):
                passed.append(line)
    if size != len(block):
        # The lines found are not all there is: something between them is not a header line.
        raise HeadError(400, "a header line is malformed")
    return _head(rules, read, tuple(fields), index, passed)


def _head(
    rules: HeadRules,
    read: dict[bytes, list[bytes]],
    fields: tuple[tuple[bytes, bytes], ...],
    index: dict[bytes, bytes],
    passed: list[bytes],
) -> Head:
    """What the lines with a meaning mean together."""
    host, port = _host(read.pop(b"host", _NOTHING))
    cookies = read.pop(b"cookie", _NOTHING)
    cookie = b"; ".join(cookies) if cookies else None
    length, chunked, tokens = None, False, _NO_TOKENS
    if read:  # most requests have nothing else that means something to us
        lengths, codings = read.get(b"content-length", _NOTHING), read.get(b"transfer-encoding", _NOTHING)
        length, chunked = _framing(lengths, codings)
        tokens = _tokens(read.get(b"connection", _NOTHING))
        nominated = frozenset(alias(token) for token in tokens - _CONNECTION_OPTIONS if nominable(token))
        if nominated:
            passed = [line for line in passed if alias(line.partition(b":")[0]) not in nominated]
    if cookie is not None:
        kept = _foreign_cookies(cookie, rules.own_pairs)
        if kept:
            passed.append(b"Cookie: " + kept + b"\r\n")
    return Head(
        host=host,
        port=port,
        fields=fields,
        index=index,
        passed=b"".join(passed),
        cookie=cookie,
        content_length=length,
        chunked=chunked,
        close=b"close" in tokens,
        upgrade=_upgrade(tokens, read.get(b"upgrade", _NOTHING)) if read else None,
        expect_continue=bool(read) and _expect(read.get(b"expect", _NOTHING)),
    )


def _tokens(values: list[bytes]) -> frozenset[bytes]:
    return frozenset(token.strip(b" \t").lower() for value in values for token in value.split(b",") if token)


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
    kept, removed = own.subn(b"", cookie)
    return kept.lstrip(b"; \t") if removed else cookie


def _upgrade(tokens: frozenset[bytes], values: list[bytes]) -> bytes | None:
    return values[0].lower() if b"upgrade" in tokens and len(values) == 1 else None


def _expect(values: list[bytes]) -> bool:
    if not values:
        return False
    if len(values) > 1 or values[0].lower() != b"100-continue":
        raise HeadError(417, "the only expectation that is understood is 100-continue")
    return True
