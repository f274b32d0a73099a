"""Sockets and threads without HTTP: what stands between Twisted's reactor and the rooms above."""

from .descriptors import raise_descriptor_limit
from .eager import limit_next_read
from .endpoints import CONNECT_SECONDS, client_endpoint, is_localhost_name
from .guarded import ForbiddenAddressError, GuardedReactor
from .install import install_reactor
from .listening import ServerTLS, listen
from .stopping import STOPPED_AGAIN
from .threads import Threads, ThreadsBusyError, ThreadsClosedError, ThreadsError, ThreadsTimeoutError
from .tls_client import ClientTLS, TLSEndpoint
from .tls_connection import TLSConnection
from .tls_socket import OnSocket
from .turn import AtTurnEnd, at_once, turn_end_of, when_set_back
from .unix import unix_endpoint
from .unsent import broken, unsent

__all__ = [
    "CONNECT_SECONDS",
    "STOPPED_AGAIN",
    "AtTurnEnd",
    "ClientTLS",
    "ForbiddenAddressError",
    "GuardedReactor",
    "OnSocket",
    "ServerTLS",
    "TLSConnection",
    "TLSEndpoint",
    "Threads",
    "ThreadsBusyError",
    "ThreadsClosedError",
    "ThreadsError",
    "ThreadsTimeoutError",
    "at_once",
    "broken",
    "client_endpoint",
    "install_reactor",
    "is_localhost_name",
    "limit_next_read",
    "listen",
    "raise_descriptor_limit",
    "turn_end_of",
    "unix_endpoint",
    "unsent",
    "when_set_back",
]
