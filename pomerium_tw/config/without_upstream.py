"""Keys about upstreams, on routes that answer by themselves (spec/proxy §2.6)."""

from __future__ import annotations

from collections.abc import Iterator

from .problem import Finding
from .route_settings import RouteSettings

_REWRITES = ("prefix_rewrite", "regex_rewrite_pattern", "regex_rewrite_substitution")
ABOUT_UPSTREAMS = (
    *_REWRITES,
    "host_rewrite",
    "host_rewrite_header",
    "host_path_regex_rewrite_pattern",
    "host_path_regex_rewrite_substitution",
    "preserve_host_header",
    "allow_websockets",
    "allow_spdy",
    "allow_upgrades",
    "websocket_origins",
    "max_request_body",
    "timeout",
    "idle_timeout",
    "set_request_headers",
    "remove_request_headers",
    "rewrite_response_headers",
    "pass_identity_headers",
    "jwt_issuer_format",
    "kubernetes_service_account_token",
    "kubernetes_service_account_token_file",
    "tls_skip_verify",
    "tls_server_name",
    "tls_upstream_server_name",
    "tls_custom_ca",
    "tls_custom_ca_file",
)
"""What no redirect and no direct response asks."""


def answers_itself(route: RouteSettings) -> bool:
    """Whether the route has a redirect or a response, and no upstream."""
    return not route.to and bool(route.redirect or route.response)


def without_effect(route: RouteSettings) -> Iterator[Finding]:
    """One warning for all such keys that ask for something."""
    written = [name for name in ABOUT_UPSTREAMS if name in route.model_fields_set and getattr(route, name)]
    if written:
        verb, hint = ("has", "leave it out") if len(written) == 1 else ("have", "leave them out")
        if route.redirect is not None and any(name in _REWRITES for name in written):
            hint += "; a redirect has a prefix_rewrite of its own"
        message = f"{', '.join(written)} {verb} no effect on a route without an upstream"
        yield Finding((written[0],), message, hint, warning=True, rests_on=(("to",),))
