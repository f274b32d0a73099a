"""Routes as written to routes as run."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from typing import Any

from policy_grammar import Policy, to_data

from ..config import RouteSettings, Settings
from ..model import Route

STREAM_IDLE_SECONDS = 300.0
"""Silence on a stream that ends it where the route does not say otherwise (spec/proxy §2.7)."""


def build_route(settings: Settings, route: RouteSettings, idp_id: str) -> Route:
    """One route with every global default filled in."""
    identity_headers = route.pass_identity_headers
    upgrades = settings.upgrades(route)
    timeout, idle_timeout = settings.default_upstream_timeout, STREAM_IDLE_SECONDS
    if upgrades or route.kubernetes_service_account_token is not None:
        # What is upgraded, or watched for news, may be silent for as long as it likes (spec/proxy §2.7).
        timeout = idle_timeout = 0.0
    body_limit = route.max_request_body
    return Route(
        id=route.id,
        name=f"{route.name or 'route'}-{route.id}",
        host=route.from_.host,
        port=route.from_.port,
        upstreams=route.upstreams,
        redirect=None if route.redirect is None else route.redirect.redirect,
        response=None if route.response is None else route.response.response,
        prefix=route.prefix,
        path=route.path,
        regex=route.regex,
        prefix_rewrite=route.prefix_rewrite,
        regex_rewrite=route.regex_rewrite,
        host_rewrite=route.host_rewrite,
        host_rewrite_header=route.host_rewrite_header,
        host_path_rewrite=route.host_path_rewrite,
        preserve_host_header=route.preserve_host_header,
        escaped_slashes=route.path_with_escaped_slashes_action,
        upgrades=upgrades,
        websocket_origins=route.websocket_origins,
        max_request_body=settings.max_request_body if body_limit is None else body_limit,
        pass_identity_headers=settings.pass_identity_headers
        if identity_headers is None
        else identity_headers,
        jwt_issuer_format=route.jwt_issuer_format or settings.jwt_issuer_format,
        jwt_groups_filter=frozenset((*settings.jwt_groups_filter, *route.jwt_groups_filter)),
        timeout=timeout if route.timeout is None else route.timeout,
        idle_timeout=idle_timeout if route.idle_timeout is None else route.idle_timeout,
        set_request_headers=route.set_request_headers,
        remove_request_headers=route.remove_request_headers,
        set_response_headers=settings.response_headers(route),
        rewrite_response_headers=tuple(each.rewrite for each in route.rewrite_response_headers),
        tls_skip_verify=route.tls_skip_verify,
        tls_server_name=route.server_name,
        tls_custom_ca=route.tls_custom_ca,
        kubernetes_service_account_token=route.kubernetes_service_account_token,
        show_error_details=route.show_error_details,
        idp_id=idp_id,
    )


def with_checksum(route: Route, policies: Sequence[Policy], *, strict: bool) -> Route:
    """The route with a number that changes whenever it or its policy does: 53 bits, as JSON readers keep."""
    said = {each.name: getattr(route, each.name) for each in fields(route)}
    said["policies"] = [to_data(policy) for policy in policies]
    said["strict"] = strict
    digest = hashlib.sha256(json.dumps(said, default=_plain).encode()).digest()
    return replace(route, checksum=int.from_bytes(digest[:7], "big") >> 3)


def _plain(value: Any) -> Any:
    """What JSON has no word for, the same in every process."""
    if isinstance(value, frozenset):
        return sorted(value)
    if isinstance(value, Mapping):
        return dict(value)
    return [getattr(value, each.name) for each in fields(value)] if is_dataclass(value) else repr(value)
