"""The request line: method, version, and the one normal form of the target, decided on and forwarded."""

from __future__ import annotations

import re
import string
from dataclasses import dataclass
from typing import Literal, NamedTuple
from urllib.parse import unquote_to_bytes

from ..model import Head, Target
from .head import HeadError, read_host

MAX_TARGET_BYTES = 32 * 1024
"""Longest request target that is read."""

EscapedSlashAction = Literal[
    "keep_unchanged", "reject_request", "unescape_and_redirect", "unescape_and_forward"
]

_METHOD = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Z]{1,32}")
_VERSION = re.compile(rb"HTTP/([0-9])\.([0-9])")
_VISIBLE = re.compile(rb"[\x21-\x7e]++")
PLAIN_PATH = rb"(?=/)(?:/[A-Za-z0-9_~!$&'()*+,=:@-][A-Za-z0-9_~!$&'()*+,=:@.-]*+)*/?"
"""Paths that are their own normal form: no escapes, no empty or dot-led segment, no parameters."""
_PLAIN = re.compile(PLAIN_PATH)
_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_ESCAPED_CONTROL = re.compile(rb"%(?:[01][0-9A-Fa-f]|7[Ff])")
_ESCAPED_SLASH = re.compile(rb"%(?:2[Ff]|5[Cc])")
_UNRESERVED = (string.ascii_letters + string.digits + "-._~").encode()
"""What means the same escaped or not (RFC 3986 §6.2.2.2)."""
_UNESCAPED = {form % each: bytes((each,)) for each in _UNRESERVED for form in (b"%%%02X", b"%%%02x")}
_ESCAPED_UNRESERVED = re.compile(rb"%(?:2[DEde]|3[0-9]|[46][1-9A-Fa-f]|5[0-9AFaf]|7[0-9AEae])")
_SLASHES = re.compile(rb"/{2,}")
_DOTS_WITH_PARAMETERS = re.compile(rb"/\.{1,2};")
_DOT_SEGMENT = re.compile(r"[/\\]\.{1,2}(?=[/\\;]|\Z)")
"""In a decoded path, where escaped slashes stand as slashes."""
_UNFIT = re.compile(
    rb"[^\x21-\x7e]|[\\?#]|%(?![0-9A-Fa-f]{2})|%(?:[01][0-9A-Fa-f]|7[Ff])|/(?:\.|%2[Ee]){1,2}(?:[/;]|\Z)"
)
"""What no path that is sent holds: characters of other parts, broken or control escapes, dot segments."""
_PARAMETERS = re.compile(r";[^/]*")
_TEXT_SLASHES = re.compile(r"/{2,}")
_ABSOLUTE = re.compile(rb"https?://([^/?]*)(.*)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class TargetRules:
    """Options of normalisation (spec/proxy §1.4)."""

    normalize_path: bool = True
    merge_slashes: bool = True
    escaped_slashes: EscapedSlashAction = "reject_request"
    """What becomes of ``%2F`` and ``%5C`` in the path."""
    escaped_slashes_by_route: bool = False
    """Whether a route says otherwise: then such targets are held until theirs is found."""


class HeldTarget(Target):
    """A target with escaped slashes, of which :func:`~.escaped_slashes.settle` has yet to say what they mean.

    As a Target it is what arrived, in normal form; decoded, the escaped slashes stand as what they are.
    """

    unescaped: Target
    """The same with slashes in their place, in normal form."""
    dotted: bool
    """The decoded path would hold a dot segment: whoever unescapes it again would see another path."""


ASTERISK = Target(b"*", "*", None)
"""``OPTIONS *`` asks about the server, not about a resource (RFC 9110 §9.3.7)."""


class RequestLine(NamedTuple):
    method: str
    target: bytes
    """As received."""


def parse_request_line(line: bytes) -> RequestLine:
    """``line`` without its CRLF. Raises HeadError."""
    parts = line.split(b" ")
    if len(parts) != 3:
        raise HeadError(400, "the request line is not METHOD TARGET HTTP/1.1")
    method, target, version = parts
    if version != b"HTTP/1.1":
        _refuse_version(version)
    if _METHOD.fullmatch(method) is None:
        raise HeadError(405 if method.isalpha() else 400, "the method is not one in capital letters")
    if len(target) > MAX_TARGET_BYTES:
        raise HeadError(414, "the address is too long", method.decode("ascii"))
    return RequestLine(method.decode("ascii"), target)


def _refuse_version(version: bytes) -> None:
    match = _VERSION.fullmatch(version)
    if match is None:
        raise HeadError(400, "the request line does not end in an HTTP version")
    if match[1] == b"1" and match[2] == b"0":
        raise HeadError(426, "HTTP/1.0 is not spoken here: use HTTP/1.1")
    raise HeadError(505 if match[1] != b"0" else 400, "the HTTP version is not spoken here: use HTTP/1.1")


def parse_target(method: str, raw: bytes, head: Head, rules: TargetRules) -> Target:
    """The normal form of a target in origin, absolute or (OPTIONS) asterisk form. Raises HeadError."""
    if raw == b"*" and method == "OPTIONS":
        return ASTERISK
    return _normalise(raw, head, rules)


def _normalise(raw: bytes, head: Head, rules: TargetRules) -> Target:
    if _VISIBLE.fullmatch(raw) is None or b"#" in raw:
        raise HeadError(400, "the address holds a character that must be escaped")
    if not raw.startswith(b"/"):
        raw = _origin_form(raw, head)
    path, mark, query = raw.partition(b"?")
    if b"\\" in path or _ESCAPE.search(path) or _ESCAPED_CONTROL.search(path):
        raise HeadError(400, "the path holds a backslash, a control character or a broken escape")
    asked = query if mark else None
    if _ESCAPED_SLASH.search(path):
        return _with_escaped_slashes(path, asked, rules)
    return _target(path, asked, rules)


def _with_escaped_slashes(path: bytes, query: bytes | None, rules: TargetRules) -> Target:
    action = rules.escaped_slashes
    held = rules.escaped_slashes_by_route
    if not held and action == "reject_request":
        raise HeadError(400, "the path holds an escaped slash")
    # A backslash is what browsers and some servers take for a slash: so it becomes one, never itself.
    unescaped = _target(_ESCAPED_SLASH.sub(b"/", path), query, rules)
    if not held and action == "unescape_and_forward":
        return unescaped
    kept = _target(path, query, rules)
    dotted = rules.normalize_path and _DOT_SEGMENT.search(kept.path) is not None
    if held or action == "unescape_and_redirect":
        target = HeldTarget(*kept)
        target.unescaped, target.dotted = unescaped, dotted
        return target
    if dotted:
        raise HeadError(400, "the path holds a dot segment between escaped slashes")
    return kept


def _target(path: bytes, query: bytes | None, rules: TargetRules) -> Target:
    """The normal form of a path whose characters and escapes are good. Raises HeadError."""
    if rules.normalize_path:
        # In one pass: what is escaped twice stays escaped once.
        path = _ESCAPED_UNRESERVED.sub(lambda escape: _UNESCAPED[escape[0]], path)
        if _DOTS_WITH_PARAMETERS.search(path):
            raise HeadError(400, "the path holds a dot segment with parameters")
    if rules.merge_slashes:
        path = _SLASHES.sub(b"/", path)
    if rules.normalize_path:
        path = _remove_dot_segments(path)
        if rules.merge_slashes:
            path = _SLASHES.sub(b"/", path)
    try:
        text = unquote_to_bytes(path).decode("utf-8")
    except UnicodeDecodeError:
        # Overlong forms among them: an upstream might read slashes and dots in what is no text to a policy.
        raise HeadError(400, "the path is not UTF-8") from None
    return Target(path, text, query)


def is_sendable(path: bytes) -> bool:
    """Whether a path that was made here, by rewriting, can be sent and read in one way only."""
    if _PLAIN.fullmatch(path):
        return True
    if not path.startswith(b"/") or path.startswith(b"//") or _UNFIT.search(path):
        return False
    try:
        unquote_to_bytes(path).decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def without_parameters(target: Target) -> Target | None:
    """The target as servers see it that cut ``;x=1`` off segments; None where there is nothing to cut.

    Whoever decides looks at both, and lets neither through alone (spec/threats PN-07).
    """
    if ";" not in target.path:
        return None
    path = _TEXT_SLASHES.sub("/", _PARAMETERS.sub("", target.path))
    return target._replace(path=path)


def _origin_form(raw: bytes, head: Head) -> bytes:
    match = _ABSOLUTE.fullmatch(raw)
    if match is None:
        raise HeadError(400, "the address is neither a path nor a URL")
    host, port = read_host(match[1])
    named = host if port is None else f"{host}:{port}"
    if named not in (head.host, head.authority):
        raise HeadError(400, "the address names another host than the Host header")
    rest = match[2]
    return rest if rest.startswith(b"/") else b"/" + rest


def _remove_dot_segments(path: bytes) -> bytes:
    """RFC 3986 §5.2.4 for a path that begins with a slash."""
    kept: list[bytes] = []
    segments = path.split(b"/")[1:]
    for segment in segments:
        if segment == b"..":
            if kept:
                kept.pop()
        elif segment != b".":
            kept.append(segment)
    if segments[-1] in (b".", b".."):
        kept.append(b"")
    return b"/" + b"/".join(kept)
