"""What to tell people whose proxy cannot listen."""

from __future__ import annotations

import errno
import socket

from twisted.internet.error import CannotListenError

_OURS = "Configure an address of this machine, or :port for all of them"
_NEXT = {
    errno.EADDRNOTAVAIL: _OURS,
    errno.EACCES: "Give the process CAP_NET_BIND_SERVICE for ports below 1024, or configure another port",
}
"""What to do by the number of the error; for most, what listens there is in the way."""


def cannot_listen(error: CannotListenError) -> str:
    """Where, why, and what to do next, in one line."""
    place = f"{error.interface or 'any address'}, port {error.port}"
    cause = error.socketError
    why = getattr(cause, "strerror", None) or str(cause)
    if isinstance(cause, socket.gaierror):
        following = _OURS
    else:
        following = _NEXT.get(
            getattr(cause, "errno", None) or 0, "End what listens there, or configure another address"
        )
    return f"cannot listen on {place}: {why}. {following}"
