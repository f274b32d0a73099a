"""TLS on both sides: server contexts chosen by name, and whom our own clients trust."""

from .errors import TLSError
from .fallback import fallback_certificate
from .server import ServerCertificate, ServerContexts
from .trust import ALPN, TrustRoots, client_connection

__all__ = [
    "ALPN",
    "ServerCertificate",
    "ServerContexts",
    "TLSError",
    "TrustRoots",
    "client_connection",
    "fallback_certificate",
]
