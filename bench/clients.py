"""What this package's own clients share: how they connect, and how they say what they saw."""

from __future__ import annotations

import json
import socket
import ssl

RESULT = "RESULT "
"""Before the figures that a generator prints."""


def client_context() -> ssl.SSLContext:
    """As a browser of today: TLS 1.3, ALPN with HTTP/2 before HTTP/1.1. The certificate is not looked at."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.set_alpn_protocols(["h2", "http/1.1"])
    return context


def connect(port: int, *, tls: bool) -> socket.socket:
    """A connection to 127.0.0.1, with a limit of ten seconds for each step."""
    plain = socket.create_connection(("127.0.0.1", port), timeout=10)
    if not tls:
        return plain
    try:
        return client_context().wrap_socket(plain, server_hostname="localhost")
    except BaseException:
        plain.close()
        raise


def say(**figures: object) -> None:
    """Print the result of a generator."""
    print(RESULT + json.dumps(figures), flush=True)
