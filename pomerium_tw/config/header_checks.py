"""Headers that are configured for all routes, and what single routes make of them."""

from __future__ import annotations

from collections.abc import Iterator

from .headers import alias, confusable, spelled_twice
from .problem import Finding
from .settings import Settings
from .template_checks import never_read
from .without_upstream import answers_itself


def findings(settings: Settings) -> Iterator[Finding]:
    """Faults of ``set_response_headers`` and ``jwt_claims_headers`` at the top level."""
    everywhere = settings.set_response_headers or {}
    yield from spelled_twice("set_response_headers", everywhere)
    yield from never_read(everywhere)
    # Two claims in one header, joined by a comma: no upstream could tell which is which.
    yield from confusable("jwt_claims_headers", settings.jwt_claims_headers)
    yield from _impersonation(settings)


def _impersonation(settings: Settings) -> Iterator[Finding]:
    """Claims that would say whom the account of a Kubernetes route acts for (spec/proxy §3.8)."""
    if not any(
        route.kubernetes_service_account_token is not None
        and settings.passes_identity(route)
        and not answers_itself(route)
        for _path, route in settings.all_routes
    ):
        return
    for name in settings.jwt_claims_headers:
        if alias(name).startswith("impersonate-"):
            message = f"{name}: on routes with a Kubernetes token, the proxy says whom the account acts for"
            hint = "name another header, or set pass_identity_headers: false on these routes"
            yield Finding(("jwt_claims_headers", name), message, hint)
