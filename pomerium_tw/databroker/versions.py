"""The name of one life of the data set."""

from __future__ import annotations

from collections.abc import Callable


def new_server_version(random: Callable[[int], bytes]) -> int:
    """A random number from 1 to 2^63 - 1: what SQLite and PostgreSQL hold in a signed integer."""
    return (int.from_bytes(random(8), "big") >> 1) or 1
