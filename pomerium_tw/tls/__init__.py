"""TLS on both sides: server contexts chosen by name, whose certificates are good, whom our clients trust."""

from .client import ClientConnection, client_connection
from .client_certificates import ClientCertificateVerifier
from .errors import TLSError
from .fallback import fallback_certificate
from .server import ServerCertificate, ServerContexts
from .trust import ALPN, TrustRoots

__all__ = [
    "ALPN",
    "ClientCertificateVerifier",
    "ClientConnection",
    "ServerCertificate",
    "ServerContexts",
    "TLSError",
    "TrustRoots",
    "client_connection",
    "fallback_certificate",
]
