"""Header lines: their grammar, and what becomes of one, decided by its name alone."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

UnderscoreAction = Literal["allow", "reject_request", "drop_header"]

PASSED, DROPPED, READ, UNSEEN, REFUSED, MALFORMED = range(6)
"""Verdicts: the line travels on · it is kept from the upstream · its value has a meaning for us · the line
counts as never sent · the request is refused · and refused because this is no header name at all."""

HEADER_LINE = re.compile(rb"(?m:^)(([!#$%&'*+\-.^_`|~0-9A-Za-z]++):[\t ]*+([\t\x20-\x7e\x80-\xff]*+)\r\n)")
"""Line with its CRLF · name · value without leading blanks (RFC 9112 §5).

Anchored to line starts: without it, a search goes on from every byte of a bad line, in quadratic time.
"""

_TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]++")
_VALUE_BYTES = b"\t" + bytes(byte for byte in range(0x20, 0x100) if byte != 0x7F)

_PUNCTUATION = b"!#$%&'*+.^_`|~"
ANY_PUNCTUATION = b"[-" + _PUNCTUATION + b"]"
"""Pattern of the characters that :func:`alias` takes for one."""
_ALIAS = bytes.maketrans(_PUNCTUATION, b"-" * len(_PUNCTUATION))

HOP_BY_HOP = frozenset(
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
REBUILT = frozenset(
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
UNTRUSTED = frozenset(
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
    REBUILT | UNTRUSTED | frozenset((b"authorization", b"content-type", b"content-encoding", b"date"))
)
"""What ``Connection`` cannot make us drop (spec/threats HS-05)."""


_READ = frozenset(
    (
        b"connection",
        b"host",
        b"content-length",
        b"transfer-encoding",
        b"cookie",
        b"upgrade",
        b"expect",
        b"authorization",
        b"te",
    )
)
"""Headers that mean something to the data path, spelled exactly so."""

_COMMON = """
Accept Accept-Charset Accept-Encoding Accept-Language Access-Control-Request-Headers
Access-Control-Request-Method Authorization Cache-Control Connection Content-Encoding
Content-Language Content-Length Content-Type Cookie DNT Date Expect From Host If-Match
If-Modified-Since If-None-Match If-Range If-Unmodified-Since Keep-Alive Origin Pragma Priority Range
Referer Sec-CH-UA Sec-CH-UA-Mobile Sec-CH-UA-Platform Sec-Fetch-Dest Sec-Fetch-Mode Sec-Fetch-Site
Sec-Fetch-User TE Transfer-Encoding Upgrade Upgrade-Insecure-Requests User-Agent Via
X-Correlation-ID X-CSRF-Token X-Forwarded-For X-Forwarded-Host X-Forwarded-Proto X-Request-ID
X-Requested-With X-XSRF-Token
"""


def alias(name: bytes) -> bytes:
    """The spelling under which upstreams may confuse header names: lower case, all punctuation as ``-``.

    Most CGI-like interfaces confuse ``-`` and ``_``, some all that is neither letter nor digit.
    """
    return name.lower().translate(_ALIAS)


def split_lines(block: bytes) -> list[bytes] | None:
    """The lines of a header block, without their CRLFs.

    None if a byte is none of a value (RFC 9110 §5.5), or a line does not end in CRLF: both seen in one pass.
    """
    lines = block.split(b"\r\n")
    if lines.pop() or len(block.translate(None, _VALUE_BYTES)) != 2 * len(lines):
        return None
    return lines


@dataclass(frozen=True)
class HeadRules:
    """What a generation makes of header lines."""

    own_cookies: re.Pattern[bytes] | None = None
    """Full-matches the names of cookies that are ours: they stay out of :attr:`Head.passed`."""
    owned_names: frozenset[bytes] = frozenset()
    """Aliases (see :func:`alias`) of further headers that are ours to write: the configured claim headers."""
    underscores: UnderscoreAction = "reject_request"

    @cached_property
    def own_pairs(self) -> re.Pattern[bytes] | None:
        """Finds our own cookies, each with the semicolon before it, in a Cookie value after a semicolon.

        With one literal before all else, a search is half as long.
        """
        if self.own_cookies is None:
            return None
        name = b"(?:" + self.own_cookies.pattern + b")"
        return re.compile(rb";[\t ]*+" + name + rb"[\t ]*+(?:=[^;]*+)?(?=;|\Z)")

    def classify(self, name: bytes) -> tuple[bytes, int]:
        """The name in lower case, and the verdict on its lines."""
        lower = name.lower()
        if _TOKEN.fullmatch(name) is None:
            return lower, MALFORMED
        if b"_" in name and self.underscores != "allow":
            return lower, REFUSED if self.underscores == "reject_request" else UNSEEN
        if lower in _READ:
            return lower, READ
        spelled = lower.translate(_ALIAS)
        ours = spelled in self.owned_names or spelled.startswith(_UNTRUSTED_PREFIXES)
        if ours or spelled in HOP_BY_HOP or spelled in REBUILT or spelled in UNTRUSTED:
            return lower, DROPPED
        return lower, PASSED

    @cached_property
    def known(self) -> Mapping[bytes, tuple[bytes, int]]:
        """:meth:`classify` for names that everybody sends, as written and in lower case.

        Made once and never added to, so that nobody can fill it. Saves two thirds of the cost of a line.
        """
        names = _COMMON.encode("ascii").split()
        return {
            name: self.classify(name) for name in [*names, *map(bytes.lower, names), *map(bytes.title, names)]
        }


def header_lines(headers: Mapping[str, str]) -> bytes:
    """Header lines with their CRLFs; names and values were validated when the configuration was read."""
    return b"".join(
        b"%b: %b\r\n" % (name.encode("ascii"), value.encode("utf-8")) for name, value in headers.items()
    )


def nominable(token: bytes) -> bool:
    """Whether ``Connection`` may keep it from being passed on (RFC 9110 §7.6.1; spec/threats HS-05)."""
    return alias(token) not in _NOT_NOMINABLE
