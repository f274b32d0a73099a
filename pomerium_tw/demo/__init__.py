"""What ``pomerium-tw demo`` shows: identity provider, application, local CA, and a real configuration.

Everything is on loopback and lives in one state folder; the proxy is the real service with a real file.
"""

from .certificates import Certificates, ensure_certificates
from .errors import DemoError
from .run import LOG_FILE, Demo, loopback_address, open_log, start
from .welcome import welcome

__all__ = [
    "LOG_FILE",
    "Certificates",
    "Demo",
    "DemoError",
    "ensure_certificates",
    "loopback_address",
    "open_log",
    "start",
    "welcome",
]
