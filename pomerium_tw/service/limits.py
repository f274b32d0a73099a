"""How many connections the configuration allows, and whether the system does too."""

from __future__ import annotations

from collections.abc import Callable

from twisted.logger import Logger

from ..config import Settings
from ..proxy import ConnectionLimits
from ..transport import raise_descriptor_limit

log = Logger("pomerium.service")

DESCRIPTORS_PER_CONNECTION = 2
"""File descriptors for each client: its connection, and one to an upstream."""
SPARE_DESCRIPTORS = 1000
"""File descriptors for everything else: store, logs, the identity provider, free upstream connections."""


def connection_limits(settings: Settings) -> ConnectionLimits:
    """What listeners may take.

    Behind proxies one address stands for many clients: with ``xff_num_trusted_hops`` every connection comes
    from one, and those of ``trusted_proxies`` do.
    """
    per_client = 0 if settings.xff_num_trusted_hops else settings.max_connections_per_client
    return ConnectionLimits(settings.max_connections, per_client, settings.trusted_proxies)


def allow_descriptors(
    limits: ConnectionLimits, raise_limit: Callable[[int], int] = raise_descriptor_limit
) -> None:
    """Have the system allow as many open files as the connections need; a warning if it will not."""
    wanted = limits.total * DESCRIPTORS_PER_CONNECTION + SPARE_DESCRIPTORS
    allowed = raise_limit(wanted)
    if allowed < wanted:
        log.warn(
            "this process may have {allowed} files open, and max_connections: {connections} needs {wanted}: "
            "raise the limit (ulimit -n, LimitNOFILE=), or connections are closed before that many are open",
            allowed=allowed,
            connections=limits.total,
            wanted=wanted,
        )
