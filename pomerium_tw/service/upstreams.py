"""Clusters: how each upstream of a route is reached, in clear or by TLS."""

from __future__ import annotations

import re
from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network
from typing import Any

from twisted.internet.interfaces import IStreamClientEndpoint

from ..model import Route, Upstream
from ..proxy import Cluster, Endpoint, ResponseRules
from ..tls import ClientConnection, TrustRoots, client_connection
from ..transport import GuardedReactor, TLSEndpoint, client_endpoint, unix_endpoint


def guarded(reactor: Any, denied: Sequence[IPv4Network | IPv6Network]) -> Any:
    """The reactor that upstreams are reached by: one that connects to no address of ``denied``."""
    return GuardedReactor(reactor, denied) if denied else reactor


def build_cluster(
    reactor: Any, route: Route, trust: TrustRoots, own_cookies: re.Pattern[bytes] | None = None
) -> Cluster:
    """The cluster of a route. ``trust``: whom TLS upstreams without a CA of their own must be signed by.

    Raises TLSError for a route's own CA that cannot be read.
    """
    rules = ResponseRules.of(route, own_cookies)
    roots = TrustRoots(route.tls_custom_ca, system=False) if route.tls_custom_ca else trust
    endpoints = [
        Endpoint(upstream, _endpoint(reactor, route, upstream, roots), rules) for upstream in route.upstreams
    ]
    return Cluster(route.name, endpoints)


def check_upstreams(route: Route, trust: TrustRoots) -> None:
    """Raises TLSError for an upstream whose name TLS cannot check."""
    for upstream in route.upstreams:
        if upstream.scheme.startswith("https"):
            _tls(route, upstream, trust)


def _endpoint(reactor: Any, route: Route, upstream: Upstream, trust: TrustRoots) -> IStreamClientEndpoint:
    if upstream.scheme.endswith("unix"):
        plain = unix_endpoint(reactor, upstream.host)
    else:
        plain = client_endpoint(reactor, upstream.host, upstream.port)
    if not upstream.scheme.startswith("https"):
        return plain
    return TLSEndpoint(reactor, plain, _tls(route, upstream, trust))


def _tls(route: Route, upstream: Upstream, trust: TrustRoots) -> ClientConnection:
    # The path of a socket is no name.
    host = "localhost" if upstream.scheme == "https+unix" else upstream.host
    name = route.tls_server_name or host
    return client_connection(name, None if route.tls_skip_verify else trust)
