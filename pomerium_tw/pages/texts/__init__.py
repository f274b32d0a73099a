"""Every error that people meet, in plain words: what happened, and what to do next.

A text tells a visitor nothing about the inside of the network: addresses of upstreams and answers of
providers go to the log, where the request id finds them.
"""

from .authorization import (
    client_certificate_required,
    denied,
    device_not_authorized,
    device_not_known,
    device_not_registered,
    forbidden,
    mcp_sign_in,
    route_not_found,
    unauthenticated,
)
from .data_path import (
    authorization_failed,
    no_healthy_upstream,
    request_malformed,
    request_timeout,
    request_too_large,
    store_unavailable,
    upstream_dropped,
    upstream_malformed,
    upstream_overflow,
    upstream_timeout,
    upstream_unreachable,
    upstream_unresolved,
)
from .own_resources import (
    bad_request,
    internal,
    nothing_known,
    page_not_found,
)
from .sign_in import (
    access_denied,
    identity_provider_unavailable,
    link_not_valid,
    session_not_kept,
    sign_in_already_used,
    sign_in_expired,
    sign_in_failed,
    sign_in_not_ours,
)
from .upgrades import (
    origin_not_allowed,
    upgrade_malformed,
    upgrade_not_allowed,
)

__all__ = [
    "access_denied",
    "authorization_failed",
    "bad_request",
    "client_certificate_required",
    "denied",
    "device_not_authorized",
    "device_not_known",
    "device_not_registered",
    "forbidden",
    "identity_provider_unavailable",
    "internal",
    "link_not_valid",
    "mcp_sign_in",
    "no_healthy_upstream",
    "nothing_known",
    "origin_not_allowed",
    "page_not_found",
    "request_malformed",
    "request_timeout",
    "request_too_large",
    "route_not_found",
    "session_not_kept",
    "sign_in_already_used",
    "sign_in_expired",
    "sign_in_failed",
    "sign_in_not_ours",
    "store_unavailable",
    "unauthenticated",
    "upgrade_malformed",
    "upgrade_not_allowed",
    "upstream_dropped",
    "upstream_malformed",
    "upstream_overflow",
    "upstream_timeout",
    "upstream_unreachable",
    "upstream_unresolved",
]
