"""A route made ready for the data path: everything that can be known before a request is computed once."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection

from ..model import Reply, Request, Route, Upstream
from .answers import answer_of
from .cluster import Cluster
from .configured_headers import ConfiguredHeaders
from .header_names import ANY_PUNCTUATION, alias
from .patterns import Patterns
from .rewriting import HostSource, path_rewrite

Matcher = Callable[[str], bool]


class RoutePlan:
    """One route with its cluster, its path test, and the byte strings it adds to heads."""

    __slots__ = (
        "_appended",
        "_host",
        "_host_source",
        "_removed",
        "_replaced",
        "_rewrite",
        "answer",
        "cluster",
        "lines_by_path",
        "matches",
        "name",
        "response_headers",
        "route",
    )

    def __init__(self, route: Route, cluster: Cluster | None) -> None:
        self.route = route
        self.name = route.name
        self.cluster = cluster
        """None of routes that answer by themselves."""
        self.answer: Callable[[Request], Reply] | None = answer_of(route)
        """Set: a redirect or direct response, the answer to whoever is let in."""
        self.matches = _matcher(route)
        self.response_headers = ConfiguredHeaders(route.set_response_headers)
        self._rewrite = path_rewrite(route)
        replaced = {alias(name.encode()) for name in route.set_request_headers}
        # Whom the service account acts for is ours to say (spec/identity R15).
        impersonates = route.kubernetes_service_account_token is not None
        if impersonates:
            replaced.add(b"authorization")
        self._replaced = _remover(replaced, b"impersonate-" if impersonates else b"")
        self._removed = _remover({alias(name.encode()) for name in route.remove_request_headers})
        self._host = route.host_rewrite.encode("ascii")
        dynamic = not self._host and (route.host_rewrite_header or route.host_path_rewrite is not None)
        self._host_source = HostSource(route) if dynamic else None
        self._appended = not route.preserve_host_header
        self.lines_by_path = self._host_source is not None and self._host_source.by_path
        """Whether :meth:`lines` depend on the path, so that nobody may keep them for another."""

    # -- the request head that goes upstream

    def target(self, request: Request) -> bytes | None:
        """Path after rewriting, and the query (spec/proxy §2.5).

        None when rewriting would make a dot segment of what was none, such as ``/a../b`` less its ``/a``, or
        another path that cannot be sent.
        """
        target = request.target
        raw_path = target.raw_path if self._rewrite is None else self._rewrite(target.raw_path)
        if raw_path is None or target.query is None:
            return raw_path
        return b"%b?%b" % (raw_path, target.query)

    def lines(self, request: Request, upstream: Upstream, forwarded_for: bytes, own_lines: bytes) -> bytes:
        """Every header line for the upstream but body framing and request id.

        ``own_lines``: identity headers and configured ones; they replace all others of their names.
        ``forwarded_for``: empty for no ``X-Forwarded-For``. Raises NoHost if the route makes a Host of the
        request that is none.
        """
        authority = request.head.authority.encode("ascii")
        lines = b"%bX-Envoy-External-Address: %b\r\nX-Forwarded-Proto: %b\r\n%b%b" % (
            request.head.passed,
            request.peer.address.encode("ascii"),
            request.scheme.encode("ascii"),
            b"X-Forwarded-For: %b\r\n" % forwarded_for if forwarded_for else b"",
            b"X-Forwarded-Host: %b\r\n" % authority if self._appended else b"",
        )
        if self._replaced is not None:
            lines = self._replaced.sub(b"", lines)
        lines += own_lines
        host = self._host
        if self._host_source is not None:
            host = self._host_source.host(request, lines)
        elif not host:
            # A socket has no name of its own.
            own_name = upstream.authority if self._appended else ""
            host = own_name.encode("ascii") or authority
        if self._removed is not None:
            lines = self._removed.sub(b"", lines)
        return b"Host: %b\r\n%b" % (host, lines)


def _matcher(route: Route) -> Matcher:
    """The path test, by the precedence of spec/proxy §2.4: regex, path, prefix."""
    if route.regex:
        # A set of one: asking it takes a fifth of what RE2's fullmatch takes in Python.
        pattern = Patterns([(route.regex, True)])
        return lambda path: pattern.first(path) is not None
    if route.path:
        wanted = route.path
        return lambda path: path == wanted
    prefix = route.prefix or "/"
    return lambda path: path.startswith(prefix)


def _remover(names: Collection[bytes], prefix: bytes = b"") -> re.Pattern[bytes] | None:
    """Finds the lines of the headers called ``names`` (aliases), however they are spelled.

    Those that begin with ``prefix`` too, unless it is empty. None if there are neither.
    """
    spelled = [re.escape(name).replace(rb"\-", ANY_PUNCTUATION) for name in sorted(names)]
    if prefix:
        spelled.append(re.escape(prefix).replace(rb"\-", ANY_PUNCTUATION) + rb"[^:\r\n]*")
    if not spelled:
        return None
    return re.compile(rb"(?im)^(?:" + b"|".join(spelled) + rb"):[^\r\n]*\r\n")
