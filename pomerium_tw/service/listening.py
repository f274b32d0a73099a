"""What to tell people whose proxy cannot listen."""

from __future__ import annotations

from twisted.internet.error import CannotListenError


def cannot_listen(error: CannotListenError) -> str:
    """Where, why, and what to do next, in one line."""
    place = f"{error.interface or 'any address'}, port {error.port}"
    why = getattr(error.socketError, "strerror", None) or str(error.socketError)
    return f"cannot listen on {place}: {why}. End what listens there, or configure another address"
