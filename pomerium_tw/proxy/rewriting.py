"""What a route makes of a path and of the Host on the way upstream (spec/proxy §2.5, §3.3).

All of it starts from the normal form that was decided on, and nothing comes out that could be read as another
path or as more than one: what rewriting would spoil is refused (spec/threats PN-13, PN-14).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import unquote_to_bytes

import re2

from ..model import AUTHORITY, Request, Route, Substitution
from .target import MAX_TARGET_BYTES, is_sendable

MAX_REWRITTEN = 8192
"""Longest path in bytes that a pattern is let loose on; what each match costs is paid for every request."""
MAX_REPLACEMENTS = 100
"""Most places of one path that a pattern may replace: 0.3 ms, and what a pattern costs that reads on to the
end for each of them is bounded too."""

PathRewrite = Callable[[bytes], bytes | None]
"""A raw path in normal form → the path that is sent, or None where there is none that can be."""

_REFERENCE = re.compile(r"\\([0-9\\])")
_HEX = re.compile(rb"%[0-9A-Fa-f]{2}")


def path_rewrite(route: Route) -> PathRewrite | None:
    """The first that is set: ``prefix_rewrite``, ``regex_rewrite_*``, the path of the first ``to`` URL."""
    if route.prefix_rewrite:
        return prefix_rewrite(route, route.prefix_rewrite)
    if route.regex_rewrite is not None:
        return _by_pattern(route.regex_rewrite)
    path = route.upstreams[0].path if route.upstreams else ""
    return prefix_rewrite(route, path) if path not in ("", "/") else None


def prefix_rewrite(route: Route, replacement: str) -> PathRewrite:
    """What matched becomes ``replacement``: the prefix, or all of it for routes by ``path`` or ``regex``."""
    new = replacement.encode("ascii")
    if route.regex or route.path:
        whole = _sent(new)
        return lambda _raw_path: whole
    old = (route.prefix or "/").encode()
    plain = b"%" not in old

    def rewrite(raw_path: bytes) -> bytes | None:
        same = plain and raw_path.startswith(old)
        return _sent(new + raw_path[len(old) if same else _raw_length(raw_path, len(old)) :])

    return rewrite


def _by_pattern(rule: Substitution) -> PathRewrite:
    substitute = _Substitute(rule)

    def rewrite(raw_path: bytes) -> bytes | None:
        made = substitute(raw_path)
        return None if made is None or len(made) > MAX_TARGET_BYTES else _sent(made)

    return rewrite


class _Substitute:
    """Replaces everything that a pattern finds; ``\\1`` is a group, ``\\0`` all that was found."""

    __slots__ = ("_names_escapes", "_pattern", "_pieces")

    def __init__(self, rule: Substitution) -> None:
        options = re2.Options()
        options.log_errors = False
        self._pattern = re2.compile(rule.pattern, options)
        self._names_escapes = "%" in rule.pattern
        # Text and references take turns: split by one group, every second piece is what a backslash preceded.
        self._pieces: list[bytes | int] = [
            int(piece) if at % 2 and piece != "\\" else piece.encode()
            for at, piece in enumerate(_REFERENCE.split(rule.replacement))
        ]

    def __call__(self, raw_path: bytes) -> bytes | None:
        """What becomes of the path; None where it, or what is found in it, is too much or in doubt."""
        if len(raw_path) > MAX_REWRITTEN:
            return None
        found = self._found(raw_path)
        if len(found) > MAX_REPLACEMENTS or (b"%" in raw_path and self._hidden(raw_path, len(found))):
            return None
        made, end = [], 0
        for match in found:
            made.append(raw_path[end : match.start()])
            made += [match[piece] or b"" if isinstance(piece, int) else piece for piece in self._pieces]
            end = match.end()
        made.append(raw_path[end:])
        return b"".join(made)

    def _found(self, path: bytes) -> list[Any]:
        """What the pattern finds, in order; no more than one over the limit.

        An empty match where the last match ended is none (RE2's GlobalReplace, which Envoy asks): ``.*``
        finds a path once.
        """
        found: list[Any] = []
        end = -1
        for match in self._pattern.finditer(path):
            if match.start() == end == match.end():
                continue
            found.append(match)
            if len(found) > MAX_REPLACEMENTS:
                break
            end = match.end()
        return found

    def _hidden(self, raw_path: bytes, found: int) -> bool:
        """Whether the pattern finds more in the same path spelled otherwise: no escape may hide a match."""
        return any(len(self._found(path)) > found for path in self._spellings(raw_path))

    def _spellings(self, raw_path: bytes) -> Iterator[bytes]:
        yield unquote_to_bytes(raw_path)
        if self._names_escapes:
            yield _HEX.sub(lambda escape: escape[0].upper(), raw_path)
            yield _HEX.sub(lambda escape: escape[0].lower(), raw_path)


def _sent(path: bytes) -> bytes | None:
    """``path`` beginning with exactly one slash; None if it cannot be sent."""
    path = b"/" + path.lstrip(b"/")
    return path if is_sendable(path) else None


def _raw_length(raw_path: bytes, decoded: int) -> int:
    """How many bytes of the escaped path make ``decoded`` bytes of the decoded one."""
    at = 0
    for _ in range(decoded):
        at += 3 if raw_path[at : at + 1] == b"%" else 1
    return at


# -- the Host


class NoHost(ValueError):  # noqa: N818 (what it says, not that something broke)
    """What a route makes of a request is no Host: the request is at fault, not the route."""


class HostSource:
    """A Host that is not the same for every request: from a header, or made of the path."""

    __slots__ = ("_name", "_substitute")

    def __init__(self, route: Route) -> None:
        name = route.host_rewrite_header.lower().encode("ascii")
        self._name = re.compile(rb"(?im)^%b:[\t ]*+([^\r\n]*)" % re.escape(name)) if name else None
        rule = route.host_path_rewrite
        self._substitute = _Substitute(rule) if rule is not None and not name else None

    @property
    def by_path(self) -> bool:
        """Whether requests with the same head may have different Hosts."""
        return self._substitute is not None

    def host(self, request: Request, lines: bytes) -> bytes:
        """The Host. ``lines``: the headers as the upstream gets them, so that no client speaks in our name.

        Without the header it is the host that the client asked for. Raises NoHost.
        """
        host: bytes | None = None
        if self._substitute is not None:
            host = self._substitute(request.target.raw_path)
        elif self._name is not None:
            found = [value.rstrip(b" \t") for value in self._name.findall(lines)]
            if not found:
                return request.authority.encode("ascii")
            host = found[0] if len(found) == 1 else None
        if host is None or AUTHORITY.fullmatch(host) is None:
            raise NoHost("the Host that the route makes of this request is malformed")
        return host
