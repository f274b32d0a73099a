"""File descriptors: each connection is one, and systems give a process 1024 unless asked for more."""

from __future__ import annotations

import os
import resource


def keep_standard_descriptors() -> None:
    """Open the null device in place of standard input, output and error that whoever started us has closed.

    The next file or connection would get the number, and the lines of the log would go there. Raises OSError
    where there is no such device.
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            # The lowest free number is the one that is given.
            os.open(os.devnull, os.O_RDWR)


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
