"""Hosts that no session can be kept at, or that none is sent to."""

from __future__ import annotations

from collections.abc import Iterator

from ..model import fixed_end, in_one_domain, open_to_anybody
from .callers import CallersOf
from .positions import KeyPath
from .problem import Finding
from .route_settings import RouteSettings
from .settings import Settings

_SIGNS_IN: tuple[KeyPath, ...] = (("idp_provider",), ("cookie_domain",), ("authenticate_service_url",))
"""Keys that decide whether and how visitors sign in."""


def findings(settings: Settings) -> Iterator[Finding]:
    """Of ``cookie_domain``, of routes for hosts of anybody, and of hosts with several ports."""
    yield from _cookie_domain(settings)
    if settings.idp_provider:
        yield from _hosts_of_anybody(settings)
        yield from _several_ports(settings)


def _cookie_domain(settings: Settings) -> Iterator[Finding]:
    key, domain = "cookie_domain", settings.cookie_domain
    if not domain:
        return
    if not in_one_domain(f"*.{domain}") or "." not in domain:
        message = f"browsers keep no cookie for all hosts of {domain}"
        yield Finding((key,), message, "name a domain of your own, such as example.com")
    elif settings.authenticate_service_url is not None and not _shares(settings):
        message = "cookie_domain has no effect: authenticate_service_url, which sets the cookie, is not in it"
        hint = "name the domain of both, or leave it out: each host has a cookie of its own"
        yield Finding((key,), message, hint, warning=True, rests_on=(("authenticate_service_url",),))


def _shares(settings: Settings) -> bool:
    """Whether the hosts of ``cookie_domain`` have one cookie."""
    service, domain = settings.authenticate_service_url, settings.cookie_domain
    return service is not None and bool(domain) and f".{service.host}".endswith(f".{domain}")


def _hosts_of_anybody(settings: Settings) -> Iterator[Finding]:
    """Routes where nobody can sign in; with a shared cookie, those of its domain can."""
    if _shares(settings):
        return
    callers_of = CallersOf(settings)
    for path, route in settings.all_routes:
        host = route.from_.host
        if in_one_domain(host) or not _may_ask(route, callers_of):
            continue
        # Its end may be one of a network of their own, which nobody else knows.
        sure = route.asks_for_sign_in and open_to_anybody(host)
        message = f"nobody can sign in here: {host} stands for hosts of any owner"
        hint = "name the hosts, or a domain of yours, such as *.example.com" + _or_domain(settings, host)
        yield Finding((*path, "from"), message, hint, warning=not sure, rests_on=_SIGNS_IN)


def _may_ask(route: RouteSettings, callers_of: CallersOf) -> bool:
    """Whether the route asks for a sign-in, as far as can be told."""
    if route.allow_public_unauthenticated_access:
        return False
    if route.asks_for_sign_in:
        return True
    callers = callers_of(route) if route.policy is not None else None
    return callers is not None and not callers.everybody


def _or_domain(settings: Settings, host: str) -> str:
    """The ``cookie_domain`` that lets visitors of some hosts of ``host`` sign in, as an advice; or ""."""
    service = settings.authenticate_service_url
    domain = service.host.partition(".")[2] if service is not None else ""
    end = ".".join(fixed_end(host))
    within = host.startswith("*") and f".{domain}".endswith(f".{end}" if end else "")
    keeps = "." in domain and in_one_domain(f"*.{domain}")
    return f", or set cookie_domain: {domain}" if within and keeps else ""


def _several_ports(settings: Settings) -> Iterator[Finding]:
    """Hosts with sign-ins at more than one port: their sessions are not kept apart."""
    by_host: dict[str, list[tuple[KeyPath, RouteSettings]]] = {}
    for path, route in settings.all_routes:
        by_host.setdefault(route.from_.host, []).append((path, route))
    callers_of = CallersOf(settings)
    for host, routes in by_host.items():
        if len({route.from_.port for _path, route in routes}) == 1 or _in_cookie_domain(settings, host):
            continue
        asking = [(path, route) for path, route in routes if _may_ask(route, callers_of)]
        for path, route in asking:
            if route.from_.port != asking[0][1].from_.port:
                message = f"{host} has sign-ins at several ports, and browsers keep one session for all"
                hint = "whoever runs one of the applications gets at the sessions of all: use several hosts"
                yield Finding((*path, "from"), message, hint, warning=True, rests_on=_SIGNS_IN)
                break


def _in_cookie_domain(settings: Settings, host: str) -> bool:
    return _shares(settings) and f".{host}".endswith(f".{settings.cookie_domain}")
