"""Hosts that no session can be kept at, or that none is sent to."""

from __future__ import annotations

from collections.abc import Iterator

from ..model import in_one_domain
from .callers import CallersOf
from .problem import Finding
from .settings import Settings


def findings(settings: Settings) -> Iterator[Finding]:
    """Of ``cookie_domain``, and of routes for hosts of anybody."""
    yield from _cookie_domain(settings)
    if settings.idp_provider:
        yield from _hosts_of_anybody(settings)


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
        if in_one_domain(route.from_.host) or route.allow_public_unauthenticated_access:
            continue
        sure = route.asks_for_sign_in
        if not sure:
            callers = callers_of(route) if route.policy is not None else None
            if callers is None or callers.everybody:
                continue
        message = f"nobody can sign in here: {route.from_.host} stands for hosts of any owner"
        hint = "write a host with a domain of yours, such as *.example.com, or set cookie_domain"
        rests_on = (("idp_provider",), ("cookie_domain",), ("authenticate_service_url",))
        yield Finding((*path, "from"), message, hint, warning=not sure, rests_on=rests_on)
