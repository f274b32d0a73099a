"""Sockets and threads without HTTP: what stands between Twisted's reactor and the rooms above."""

from .endpoints import CONNECT_SECONDS, client_endpoint, is_localhost_name
from .install import install_reactor
from .threads import Threads, ThreadsBusyError, ThreadsClosedError, ThreadsError, ThreadsTimeoutError

__all__ = [
    "CONNECT_SECONDS",
    "Threads",
    "ThreadsBusyError",
    "ThreadsClosedError",
    "ThreadsError",
    "ThreadsTimeoutError",
    "client_endpoint",
    "install_reactor",
    "is_localhost_name",
]
