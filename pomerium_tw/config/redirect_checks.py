"""Redirects that lead back to the route that they come from: browsers never arrive (spec/proxy §2.6)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from urllib.parse import unquote

import re2

from pomerium_tw.model import DEFAULT_PORTS, Redirect, reserved

from .addresses import FromURL
from .problem import Finding
from .route_settings import RouteSettings
from .settings import Settings

_CIRCLES = "browsers go round in circles"


def findings(settings: Settings) -> Iterator[Finding]:
    """Routes whose redirect is answered by the same redirect; circles of several routes are not looked for.

    Nothing is said where another route may take what the redirect leads to.
    """
    routes = [route for _path, route in settings.all_routes]
    for index, (path, route) in enumerate(settings.all_routes):
        if route.redirect is None or route.to or route.response:
            continue
        rule = route.redirect.redirect
        if (
            _same_scheme(settings, route.from_, rule)
            and _same_port(settings, route.from_, rule)
            and _same_host(routes, route.from_, rule)
            and _same_path(route, rule)
            and not any(_takes(earlier, route, rule) for earlier in routes[:index])
        ):
            yield _finding(rule, (*path, "redirect"))


def _finding(rule: Redirect, path: tuple[str | int, ...]) -> Finding:
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


def _same_host(routes: Sequence[RouteSettings], origin: FromURL, rule: Redirect) -> bool:
    if rule.host is None or rule.host == origin.host:
        return True
    # A host that a route names belongs to such routes alone (spec/proxy §2.4).
    return _fits(origin.host, rule.host) and all(route.from_.host != rule.host for route in routes)


def _same_path(route: RouteSettings, rule: Redirect) -> bool:
    """Whether the path that it leads to is one of this route's."""
    fixed = _fixed_path(route, rule)
    if fixed is not None:
        return not reserved(fixed) and _matches(route, fixed)
    return rule.prefix is None or _begins(route, unquote(rule.prefix))


def _takes(earlier: RouteSettings, route: RouteSettings, rule: Redirect) -> bool:
    """Whether a route that is asked before may take what this redirect leads to."""
    wild = "*" in route.from_.host
    same = earlier.from_.host == route.from_.host and earlier.from_.port == route.from_.port
    other = "*" in earlier.from_.host and (rule.host is None or _fits(earlier.from_.host, rule.host))
    if not same and not (wild and other):
        return False
    fixed = _fixed_path(route, rule)
    if fixed is not None:
        return _matches(earlier, fixed)
    if rule.prefix is not None:
        return bool(earlier.regex) or (
            not earlier.path and unquote(rule.prefix).startswith(earlier.prefix or "/")
        )
    # What keeps its path has been past that route once.
    return rule.host is not None and wild


def _fixed_path(route: RouteSettings, rule: Redirect) -> str | None:
    """The one path that it leads to, unescaped as routes see it; None if the caller has a part in it."""
    written = rule.path or (rule.prefix if route.regex or route.path else None)
    return unquote(written.partition("?")[0]) if written else None


def _matches(route: RouteSettings, path: str) -> bool:
    if route.regex:
        options = re2.Options()
        options.log_errors = False
        return re2.compile(route.regex, options).fullmatch(path) is not None
    return path == route.path if route.path else path.startswith(route.prefix or "/")


def _begins(route: RouteSettings, start: str) -> bool:
    """Whether a route by prefix takes every path that begins so."""
    return start.startswith(route.prefix or "/") and not reserved(start)


def _fits(pattern: str, host: str) -> bool:
    """Whether a host is one of those that ``*`` stands for."""
    return re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), host) is not None
