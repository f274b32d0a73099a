"""A route made ready for the data path: everything that can be known before a request is computed once."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

import re2

from ..model import Request, Route, Upstream
from .cluster import Cluster
from .header_names import alias

Matcher = Callable[[str], bool]

_DOT_SEGMENT = re.compile(rb"/\.{1,2}(?:[/;]|$)")


class RoutePlan:
    """One route with its cluster, its path test, and the byte strings it adds to heads."""

    __slots__ = (
        "_host",
        "_prefix",
        "_removed",
        "_replaced",
        "_replaced_prefix",
        "_replacement",
        "cluster",
        "matches",
        "response_lines",
        "route",
    )

    def __init__(self, route: Route, cluster: Cluster) -> None:
        self.route = route
        self.cluster = cluster
        self.matches = _matcher(route)
        self.response_lines = header_lines(route.set_response_headers)
        first = route.upstreams[0]
        self._prefix = (route.path or route.prefix or "/").encode()
        implicit = first.path if first.path not in ("", "/") else ""
        self._replacement = (route.prefix_rewrite or implicit).encode("ascii")
        self._host = route.host_rewrite
        self._removed = frozenset(alias(name.encode()) for name in route.remove_request_headers)
        replaced = {alias(name.encode()) for name in route.set_request_headers}
        impersonates = route.kubernetes_service_account_token is not None
        # Whom the service account acts for is ours to say (spec/identity R15).
        self._replaced_prefix = b"impersonate-" if impersonates else b""
        self._replaced = frozenset(replaced | {b"authorization"} if impersonates else replaced)

    @property
    def name(self) -> str:
        return self.cluster.name

    # -- the request head that goes upstream

    def target(self, request: Request) -> bytes | None:
        """Path after rewriting, and the query (spec/proxy §2.5).

        None when rewriting would make a dot segment of what was none, such as ``/a../b`` less its ``/a``.
        """
        raw_path, _, query = request.target
        if self._replacement:
            raw_path = self._replacement + raw_path[_raw_length(raw_path, len(self._prefix)) :]
            raw_path = b"/" + raw_path.lstrip(b"/")
            if _DOT_SEGMENT.search(raw_path):
                return None
        return raw_path if query is None else raw_path + b"?" + query

    def host(self, request: Request, upstream: Upstream) -> str:
        """The Host header for the upstream (spec/proxy §3.3)."""
        if self._host:
            return self._host
        return request.authority if self.route.preserve_host_header else upstream.authority

    def lines(self, request: Request, upstream: Upstream, forwarded_for: bytes, own_lines: bytes) -> bytes:
        """Every header line for the upstream but body framing and request id.

        ``own_lines``: identity headers and configured ones; they replace all others of their names.
        """
        forwarded = b"X-Forwarded-For: %b\r\nX-Forwarded-Proto: %b\r\n" % (
            forwarded_for,
            request.scheme.encode(),
        )
        if not self.route.preserve_host_header:
            forwarded += b"X-Forwarded-Host: %b\r\n" % request.authority.encode()
        lines = request.head.passed + forwarded
        if self._replaced:
            lines = without(lines, self._replaced, self._replaced_prefix)
        lines += own_lines
        if self._removed:
            lines = without(lines, self._removed)
        return b"Host: " + self.host(request, upstream).encode("ascii") + b"\r\n" + lines


def _matcher(route: Route) -> Matcher:
    """The path test, by the precedence of spec/proxy §2.4: regex, path, prefix."""
    if route.regex:
        pattern = re2.compile(route.regex)
        return lambda path: pattern.fullmatch(path) is not None
    if route.path:
        wanted = route.path
        return lambda path: path == wanted
    prefix = route.prefix or "/"
    return lambda path: path.startswith(prefix)


def _raw_length(raw_path: bytes, decoded: int) -> int:
    """How many bytes of the escaped path make ``decoded`` bytes of the decoded one."""
    at = 0
    for _ in range(decoded):
        at += 3 if raw_path[at : at + 1] == b"%" else 1
    return at


def header_lines(headers: Mapping[str, str]) -> bytes:
    """Header lines with their CRLFs; names and values were validated when the configuration was read."""
    return b"".join(
        b"%b: %b\r\n" % (name.encode("ascii"), value.encode("utf-8")) for name, value in headers.items()
    )


def without(lines: bytes, names: frozenset[bytes], prefix: bytes = b"") -> bytes:
    """``lines`` less the headers called ``names`` (aliases), however they are spelled.

    Less those that begin with ``prefix`` too, unless it is empty.
    """
    kept = []
    for line in lines.split(b"\r\n")[:-1]:
        name = alias(line.partition(b":")[0])
        if name not in names and not (prefix and name.startswith(prefix)):
            kept.append(line + b"\r\n")
    return b"".join(kept)
