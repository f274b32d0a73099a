"""The bytes of one request head become a :class:`~pomerium_tw.model.Head`: checked, sorted and stripped.

Strict by RFC 9112: what two parsers could read differently is refused (spec/threats SM rows). Pure functions
of bytes and rules, so that a connection may remember the last blocks it saw.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from ..model import Head, Peer, Target, canonical_ipv6
from .header_names import MALFORMED, PASSED, READ, REFUSED, UNSEEN, HeadRules, alias, nominable, split_lines

MAX_HEAD_BYTES = 128 * 1024
"""Longest request line plus header block (spec/proxy §3.6)."""
MAX_HEADERS = 1000
"""Most header lines in one block (spec/proxy §3.6)."""
MAX_OPTIONS = 100
"""Most members of each list that is of the connection: ``Connection``, ``TE``, ``Transfer-Encoding``."""

_PLAIN_HOST = re.compile(rb"[0-9a-z_-]++(?:\.[0-9a-z_-]++)*")
"""Its own normal form: two thirds of the time of the general form."""
_HOST = re.compile(rb"(\[[0-9A-Fa-f:.]{2,45}\]|[0-9A-Za-z_-]+(?:\.[0-9A-Za-z_-]+)*\.?)(?::([0-9]{1,5}))?")
_LENGTH = re.compile(rb"[0-9]{1,18}")
_USUAL = frozenset((b"host", b"cookie"))
"""Of the headers with a meaning, those that nearly every request has."""
_SAYS_NOTHING = frozenset((b"Connection: keep-alive", b"connection: keep-alive", b"Connection: Keep-Alive"))
"""What most clients say although HTTP/1.1 means it anyway."""
_ONE_HOST = "a request names exactly one Host"
_TOO_MANY_OPTIONS = "Connection, TE or Transfer-Encoding is too long a list"
_BY_CONNECTION = frozenset((b"ntlm", b"nego"))
"""How the schemes begin that sign in whoever uses the connection (RFC 4559): NTLM, Negotiate, Nego2."""
_CONNECTION_OPTIONS = frozenset((b"close", b"keep-alive", b"upgrade"))


class _Meaning(NamedTuple):
    """What the less usual lines say."""

    length: int | None = None
    chunked: bool = False
    close: bool = False
    upgrade: bytes | None = None
    expect_continue: bool = False
    by_connection: bool = False
    trailers: bool = False
    """The client reads trailers (RFC 9110 §10.1.4)."""
    nominated: frozenset[bytes] = frozenset()
    """Aliases of the headers that ``Connection`` keeps from travelling on."""


_PLAIN = _Meaning()


class HeadError(ValueError):
    """A request head that is refused; carries the status that says so (the connection closes after it).

    What was understood of the head by then is for the access log: nothing of it was decided on.
    """

    target: Target | None = None
    head: Head | None = None
    peer: Peer | None = None
    """Whom a trusted proxy before us names; None is the connection's own."""

    def __init__(self, status: int, message: str, method: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.method = method
        """"" where the request line was not understood."""


def incomplete_fault(buffer: bytes | bytearray, seen: int = 0) -> HeadError | None:
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
    """``block``: header lines, each with its CRLF, without the blank line. Raises HeadError.

    Splitting, and looking names up, costs half of what a regular expression over the lines does.
    """
    lines = split_lines(block)
    if lines is None:
        raise HeadError(400, "a header line holds a control character or does not end in CRLF")
    if len(lines) > MAX_HEADERS:
        raise HeadError(431, "the request has too many header lines")
    known = rules.known
    index: dict[bytes, bytes] = {}
    passed: list[bytes] = []
    unseen, plain = 0, True
    for line in lines:
        name, colon, value = line.partition(b":")
        lower, verdict = known.get(name) or rules.classify(name)
        if verdict > READ or not colon:
            _refuse(verdict if colon else MALFORMED)
            unseen += 1
            continue
        value = index[lower] = value.strip(b" \t")
        if verdict == PASSED:
            passed.append(line)
        elif verdict == READ and lower not in _USUAL and line not in _SAYS_NOTHING:
            plain = False
            if lower == b"authorization" and not is_own_authorization(value):
                passed.append(line)
    repeated: dict[bytes, list[bytes]] = {}
    fields: tuple[tuple[bytes, bytes], ...] = ()
    if len(index) + unseen != len(lines):
        fields = _every_field(lines, rules)
        repeated = _repeated(fields)
        index |= {name: b", ".join(values) for name, values in repeated.items()}
    return _head(rules, fields, index, repeated, passed, plain=plain)


def _refuse(verdict: int) -> None:
    """Raise HeadError unless the line counts as never sent."""
    if verdict == REFUSED:
        raise HeadError(400, "a header name holds an underscore")
    if verdict != UNSEEN:
        raise HeadError(400, "a header line is malformed")


def _every_field(lines: list[bytes], rules: HeadRules) -> tuple[tuple[bytes, bytes], ...]:
    """(lower-case name, value) of every line; for the few heads in which a name comes twice."""
    split = [line.partition(b":") for line in lines]
    classified = [(*rules.classify(name), value) for name, _, value in split]
    return tuple((lower, value.strip(b" \t")) for lower, verdict, value in classified if verdict != UNSEEN)


def _repeated(fields: tuple[tuple[bytes, bytes], ...]) -> dict[bytes, list[bytes]]:
    """All values of each name that comes more than once."""
    every: dict[bytes, list[bytes]] = {}
    for name, value in fields:
        every.setdefault(name, []).append(value)
    return {name: values for name, values in every.items() if len(values) > 1}


def _head(
    rules: HeadRules,
    fields: tuple[tuple[bytes, bytes], ...],
    index: dict[bytes, bytes],
    repeated: dict[bytes, list[bytes]],
    passed: list[bytes],
    *,
    plain: bool,
) -> Head:
    """What the lines with a meaning mean together. ``plain``: only the usual ones among them are there."""
    if b"host" in repeated:
        raise HeadError(400, _ONE_HOST)
    host, port = read_host(index.get(b"host"))
    meaning = _PLAIN
    if not plain:
        meaning = _meaning(index, repeated)
        if meaning.nominated:
            passed = [line for line in passed if alias(line.partition(b":")[0]) not in meaning.nominated]
        if meaning.trailers:
            passed.append(b"TE: trailers")
    cookie = index.get(b"cookie")
    if b"cookie" in repeated:
        cookie = b"; ".join([value for value in repeated[b"cookie"] if value])
    if cookie is not None:
        kept = _foreign_cookies(cookie, rules.own_pairs)
        if kept:
            passed.append(b"Cookie: " + kept)
    passed.append(b"")
    return Head(
        host=host,
        port=port,
        fields=fields,
        index=index,
        passed=b"\r\n".join(passed),
        cookie=cookie,
        content_length=meaning.length,
        chunked=meaning.chunked,
        close=meaning.close,
        upgrade=meaning.upgrade,
        expect_continue=meaning.expect_continue,
        by_connection=meaning.by_connection,
    )


def _meaning(index: dict[bytes, bytes], repeated: dict[bytes, list[bytes]]) -> _Meaning:
    def values(name: bytes) -> list[bytes]:
        return repeated.get(name) or ([index[name]] if name in index else [])

    length, chunked = _framing(values(b"content-length"), values(b"transfer-encoding"))
    tokens = _tokens(values(b"connection"))
    return _Meaning(
        length,
        chunked,
        b"close" in tokens,
        _upgrade(tokens, values(b"upgrade")),
        _expect(values(b"expect")),
        any(value[:4].lower() in _BY_CONNECTION for value in values(b"authorization")),
        b"trailers" in _tokens(values(b"te")),
        frozenset(alias(token) for token in tokens - _CONNECTION_OPTIONS if nominable(token)),
    )


def too_many_options(values: list[bytes]) -> bool:
    """Whether a list, on one line or several, is longer than anybody means; told before it is taken apart."""
    return len(values) + sum(value.count(b",") for value in values) > MAX_OPTIONS


def _tokens(values: list[bytes]) -> frozenset[bytes]:
    """Raises HeadError."""
    if too_many_options(values):
        raise HeadError(431, _TOO_MANY_OPTIONS)
    return frozenset(token.strip(b" \t").lower() for value in values for token in value.split(b",") if token)


def is_own_authorization(value: bytes) -> bool:
    """Whether an Authorization value speaks to us and not to the upstream (spec/identity §8.2)."""
    return value[:16].lower().startswith((b"pomerium ", b"bearer pomerium-"))


def read_host(value: bytes | None) -> tuple[str, int | None]:
    """Host in lower case, IPv6 in its canonical form and brackets, and the port. Raises HeadError."""
    if value is None:
        raise HeadError(400, _ONE_HOST)
    if _PLAIN_HOST.fullmatch(value):
        return value.decode("ascii"), None
    match = _HOST.fullmatch(value)
    if match is None:
        raise HeadError(400, "the Host is malformed")
    port = int(match[2]) if match[2] else None
    if port is not None and not 0 < port < 65536:
        raise HeadError(400, "the Host names an impossible port")
    host = match[1].decode("ascii").lower()
    return (_bracketed(host) if host.startswith("[") else host.rstrip(".")), port


def _bracketed(host: str) -> str:
    """An IPv6 address as routes are found by: clients need not send its canonical form."""
    try:
        return f"[{canonical_ipv6(host[1:-1])}]"
    except ValueError:
        raise HeadError(400, "the Host is malformed") from None


def _framing(lengths: list[bytes], encodings: list[bytes]) -> tuple[int | None, bool]:
    """Body length or chunked: exactly one way to read the body, or none (RFC 9112 §6)."""
    if encodings:
        if too_many_options(encodings):
            raise HeadError(431, _TOO_MANY_OPTIONS)
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
    kept, removed = own.subn(b"", b";" + cookie)
    return kept.strip(b"; \t") if removed else cookie


def _upgrade(tokens: frozenset[bytes], values: list[bytes]) -> bytes | None:
    """What the connection shall become; several things at once too, which are refused later (WS-04).

    HTTP/2 in the clear is never taken up: the request stands as a plain one (SM-25).
    """
    asked = b", ".join(values).lower() if b"upgrade" in tokens else b""
    return None if asked in (b"", b"h2c") else asked


def _expect(values: list[bytes]) -> bool:
    if not values:
        return False
    if len(values) > 1 or values[0].lower() != b"100-continue":
        raise HeadError(417, "the only expectation that is understood is 100-continue")
    return True
