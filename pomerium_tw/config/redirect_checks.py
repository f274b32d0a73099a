"""Redirects that lead back to the route that they come from, or out of TLS (spec/proxy §2.6)."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from functools import lru_cache
from itertools import chain
from typing import Any
from urllib.parse import unquote

import re2

from pomerium_tw.model import DEFAULT_PORTS, Redirect, reserved

from .addresses import FromURL
from .positions import KeyPath
from .problem import Finding
from .route_settings import RouteSettings
from .settings import Settings

_MAX_COMPILED = 256
"""Most regular expressions that are kept: one that many redirects are held against is compiled once."""
_CIRCLES = "browsers go round in circles"


def findings(settings: Settings) -> Iterator[Finding]:
    """Routes whose redirect leads to ``http://`` unseen, or is answered by the same redirect.

    Circles of several routes are not looked for, and nothing is said of one where another route may take what
    the redirect leads to.
    """
    # Without TLS of ours, only a proxy that is believed can say that the caller came by https://.
    clear = settings.insecure_server and not (settings.xff_num_trusted_hops or settings.trusted_proxies)
    routes = settings.all_routes
    hosts = frozenset(route.from_.host for _path, route in routes)
    earlier = _Earlier()
    for path, route in routes:
        if route.redirect is not None and not (route.to or route.response):
            rule = route.redirect.redirect
            if clear and rule.scheme is None and route.from_.scheme == "https":
                yield _out_of_tls((*path, "redirect"))
            if (
                _same_scheme(settings, route.from_, rule)
                and _same_port(settings, route.from_, rule)
                and _same_host(hosts, route.from_, rule)
                and _same_path(route, rule)
                and not earlier.take(route, rule)
            ):
                yield _finding(rule, (*path, "redirect"))
        earlier.add(route)


class _Earlier:
    """Routes that are asked before, by their place: a redirect has to do with few of thousands."""

    def __init__(self) -> None:
        self._at: defaultdict[tuple[str, int | None], list[RouteSettings]] = defaultdict(list)
        self._wild: defaultdict[str, list[RouteSettings]] = defaultdict(list)
        """Those whose host holds a ``*``, by what follows the last one."""

    def add(self, route: RouteSettings) -> None:
        """The next route in matching order."""
        self._at[route.from_.host, route.from_.port].append(route)
        if "*" in route.from_.host:
            self._wild[route.from_.host.rpartition("*")[2]].append(route)

    def take(self, route: RouteSettings, rule: Redirect) -> bool:
        """Whether one of them may take what this redirect leads to."""
        wild = "*" in route.from_.host
        if not (rule.path or rule.prefix) and (rule.host is None or not wild):
            # What keeps its path has been past all of them once.
            return False
        at_home = self._at[route.from_.host, route.from_.port]
        stars = self._stars(rule.host) if wild else ()
        return any(_takes(each, route, rule) for each in chain(at_home, stars))

    def _stars(self, host: str | None) -> Iterator[RouteSettings]:
        """Those with a ``*`` that have this host, which is None where it stays what it was."""
        if host is None:
            yield from chain.from_iterable(self._wild.values())
            return
        for start in range(len(host) + 1):
            for route in self._wild.get(host[start:], ()):
                if _fits(route.from_.host, host):
                    yield route


def _out_of_tls(path: KeyPath) -> Finding:
    message = "the redirect leads to http://: it keeps the scheme, and insecure_server hears of no other"
    hint = "set trusted_proxies to what ends TLS, or write scheme_redirect: https"
    return Finding(path, message, hint, warning=True)


def _finding(rule: Redirect, path: KeyPath) -> Finding:
    if rule.path or rule.prefix:
        message = f"the redirect leads to this route again: {_CIRCLES}"
        return Finding(
            path, message, "let another route take it, or match less by path or prefix", warning=True
        )
    message = f"the redirect leads to where the caller was: {_CIRCLES}"
    hint = "write host_redirect, path_redirect or another part that changes"
    if rule.scheme == "https":
        hint = "leave the route out: http_redirect_addr: :80 leads from http:// to https://"
    return Finding(path, message, hint, warning=True)


def _same_scheme(settings: Settings, origin: FromURL, rule: Redirect) -> bool:
    """Routes are found without it; so it is enough that the new address is one of ours."""
    if rule.scheme == "https":
        told = settings.xff_num_trusted_hops or settings.trusted_proxies
        # In clear text alone, https:// may well be somebody else.
        return bool(not settings.insecure_server or told or origin.scheme == "https")
    return rule.scheme is None or (rule.scheme == "http" and settings.insecure_server)


def _same_port(settings: Settings, origin: FromURL, rule: Redirect) -> bool:
    if rule.port is None and rule.host is None:
        return True
    usual = DEFAULT_PORTS[rule.scheme or origin.scheme]
    port = usual if rule.port is None else rule.port
    return port in ((usual, settings.address.port) if origin.port is None else (origin.port,))


def _same_host(hosts: frozenset[str], origin: FromURL, rule: Redirect) -> bool:
    """``hosts``: those of all routes, as they are written."""
    if rule.host is None or rule.host == origin.host:
        return True
    # A host that a route names belongs to such routes alone (spec/proxy §2.4).
    return _fits(origin.host, rule.host) and rule.host not in hosts


def _same_path(route: RouteSettings, rule: Redirect) -> bool:
    """Whether the path that it leads to is one of this route's."""
    fixed = _fixed_path(route, rule)
    if fixed is not None:
        return not reserved(fixed) and _matches(route, fixed)
    return rule.prefix is None or _begins(route, unquote(rule.prefix))


def _takes(earlier: RouteSettings, route: RouteSettings, rule: Redirect) -> bool:
    """Whether a route at such a host may take the path that this redirect leads to."""
    fixed = _fixed_path(route, rule)
    if fixed is not None:
        return _matches(earlier, fixed)
    if rule.prefix is not None:
        return bool(earlier.regex) or (
            not earlier.path and unquote(rule.prefix).startswith(earlier.prefix or "/")
        )
    return True


def _fixed_path(route: RouteSettings, rule: Redirect) -> str | None:
    """The one path that it leads to, unescaped as routes see it; None if the caller has a part in it."""
    written = rule.path or (rule.prefix if route.regex or route.path else None)
    return unquote(written.partition("?")[0]) if written else None


def _matches(route: RouteSettings, path: str) -> bool:
    if route.regex:
        return _compiled(route.regex).fullmatch(path) is not None
    return path == route.path if route.path else path.startswith(route.prefix or "/")


@lru_cache(maxsize=_MAX_COMPILED)
def _compiled(pattern: str) -> Any:
    options = re2.Options()
    options.log_errors = False
    return re2.compile(pattern, options)


def _begins(route: RouteSettings, start: str) -> bool:
    """Whether a route by prefix takes every path that begins so."""
    return start.startswith(route.prefix or "/") and not reserved(start)


def _fits(pattern: str, host: str) -> bool:
    """Whether a host is one of those that ``*`` stands for."""
    return re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), host) is not None
