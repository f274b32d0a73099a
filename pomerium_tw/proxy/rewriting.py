"""What a route makes of a path and of the Host on the way upstream (spec/proxy §2.5, §3.3).

All of it starts from the normal form that was decided on, and nothing comes out that could be read as another
path or as more than one: what rewriting would spoil is refused (spec/threats PN-13, PN-14).
"""

from __future__ import annotations

import re
from collections.abc import Callable

import re2

from ..model import Request, Route, Substitution
from .target import is_sendable

MAX_REWRITTEN = 8192
"""Longest path in bytes that a pattern is let loose on; what each match costs is paid for every request."""

PathRewrite = Callable[[bytes], bytes | None]
"""A raw path in normal form → the path that is sent, or None where there is none that can be."""

_REFERENCE = re.compile(r"\\([0-9\\])")
_AUTHORITY = re.compile(
    rb"(?:\[[0-9A-Fa-f:.]{2,45}\]|[0-9A-Za-z_-]+(?:\.[0-9A-Za-z_-]+)*+\.?)(?::[0-9]{1,5})?"
)


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
    substitute = _substitution(rule)

    def rewrite(raw_path: bytes) -> bytes | None:
        if len(raw_path) > MAX_REWRITTEN:
            return None
        return _sent(substitute(raw_path.decode("ascii")).encode())

    return rewrite


def _substitution(rule: Substitution) -> Callable[[str], str]:
    """Replaces everything that the pattern finds; ``\\1`` is a group, ``\\0`` all that was found."""
    options = re2.Options()
    options.log_errors = False
    pattern = re2.compile(rule.pattern, options)
    # Text and references take turns: split by one group, every second piece is what a backslash preceded.
    pieces = _REFERENCE.split(rule.replacement)

    def expand(match: re.Match[str]) -> str:
        made = []
        for at, piece in enumerate(pieces):
            made.append((match[int(piece)] or "") if at % 2 and piece != "\\" else piece)
        return "".join(made)

    def substitute(text: str) -> str:
        return str(pattern.sub(expand, text))

    return substitute


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


class HostSource:
    """A Host that is not the same for every request: from a header, or made of the path."""

    __slots__ = ("_configured", "_name", "_substitute")

    def __init__(self, route: Route, configured: frozenset[bytes], spelled: Callable[[bytes], bytes]) -> None:
        """``configured``: headers that we write, by the names that ``spelled`` makes of theirs."""
        name = route.host_rewrite_header.lower().encode("ascii")
        self._name = re.compile(rb"(?im)^%b:[\t ]*+([^\r\n]*)" % re.escape(name)) if name else None
        self._configured = bool(name) and spelled(name) in configured
        rule = route.host_path_rewrite
        self._substitute = _substitution(rule) if rule is not None and not name else None

    @property
    def by_path(self) -> bool:
        """Whether requests with the same head may have different Hosts."""
        return self._substitute is not None

    def fits(self, request: Request) -> bool:
        """Whether there is a Host for this request, as far as the client has a part in it."""
        return self._configured or self._made(request, request.head.passed) is not None

    def host(self, request: Request, lines: bytes) -> bytes:
        """The Host. ``lines``: the headers as the upstream gets them, so that no client speaks in our name.

        Without the header it is the host that the client asked for. Raises ValueError for what is no host.
        """
        made = self._made(request, lines)
        if made is None:
            raise ValueError("the Host that the route makes of this request is malformed")
        return made

    def _made(self, request: Request, lines: bytes) -> bytes | None:
        if self._substitute is not None:
            if len(request.target.raw_path) > MAX_REWRITTEN:
                return None
            host = self._substitute(request.target.raw_path.decode("ascii")).encode()
        elif self._name is not None:
            found = [value.rstrip(b" \t") for value in self._name.findall(lines)]
            if not found:
                return request.authority.encode("ascii")
            host = found[0] if len(found) == 1 else b""
        return host if _AUTHORITY.fullmatch(host) else None
