"""File descriptors: each connection is one, and systems give a process 1024 unless asked for more."""

from __future__ import annotations

import resource


def raise_descriptor_limit(wanted: int) -> int:
    """Allow this process ``wanted`` descriptors, as far as the system lets it; how many it may have now."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return wanted if soft == resource.RLIM_INFINITY else soft
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    except (OSError, ValueError):
        # Some containers forbid even what their own limit allows.
        return soft
    return wanted
