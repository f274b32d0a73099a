"""Addresses that are ours on every host, whatever the routes say (spec/proxy §3.1)."""

from __future__ import annotations

OWN_PATHS = frozenset(("/ping", "/healthz", "/.pomerium", "/.well-known/pomerium"))
OWN_PREFIXES = ("/.pomerium/", "/.well-known/pomerium/")


def reserved(path: str) -> bool:
    """Whether no route is ever asked about this path."""
    return path in OWN_PATHS or path.startswith(OWN_PREFIXES)
