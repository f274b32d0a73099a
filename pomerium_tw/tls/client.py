"""TLS to servers that must prove who they are (spec/proxy §4.3)."""

from __future__ import annotations

import contextlib
import functools
import re
import socket
from ipaddress import IPv4Address, IPv6Address
from typing import Any

import idna
from cryptography import x509
from OpenSSL import SSL, crypto
from service_identity import CertificateError, VerificationError
from service_identity.hazmat import (
    DNS_ID,
    DNSPattern,
    IPAddress_ID,
    IPAddressPattern,
    ServiceID,
    verify_service_identity,
)
from twisted.internet.abstract import isIPAddress, isIPv6Address
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from ..transport import TLSConnection
from .errors import TLSError
from .trust import TrustRoots, client_context

log = Logger("pomerium.tls")

_ONE_LABEL = re.compile(rb"\*\.[a-z0-9_-]+")
"""A wildcard before a single label."""

_HOST = re.compile(rb"[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*")
"""Labels as DNS takes them (RFC 1035 §2.3.4)."""

MAX_NAME = 253
"""Characters of a server's name, as DNS spells it (RFC 1035 §2.3.4)."""


def client_connection(name: str, trust: TrustRoots | None) -> ClientConnection:
    """TLS to a server that must prove to be ``name`` (host name or IP literal); None trusts whoever answers.

    Raises TLSError for a name that no certificate can be checked against.
    """
    host = name.strip("[]").partition("%")[0]
    try:
        return ClientConnection(host, trust)
    except ValueError as error:
        raise TLSError(f"{host!r} is not a host name that a certificate can name: {error}") from error


@implementer(IOpenSSLClientConnectionCreator)
class ClientConnection:
    """Makes connections to one server, on sockets or in the memory of Twisted's own TLS."""

    def __init__(self, host: str, trust: TrustRoots | None) -> None:
        """Raises ValueError."""
        self._trust = trust
        self._name = b""
        """What the server is asked for. Servers are not named by their addresses (RFC 6066 §3)."""
        self._wanted: list[ServiceID] = []
        if isIPAddress(host) or isIPv6Address(host):
            self._wanted = [IPAddress_ID(host)]
        else:
            self._name = _ascii_name(host)
            if trust is not None:
                self._wanted = [DNS_ID(self._name.decode("ascii"))]

    def connection(self, sock: socket.socket | None, side: Any) -> TLSConnection:
        """See :class:`~pomerium_tw.transport.ClientTLS`. Without ``sock`` it is in memory."""
        trust = self._trust
        connection = TLSConnection(_unverified() if trust is None else trust.context, sock)
        connection.set_app_data(side)
        if self._name:
            connection.set_tlsext_host_name(self._name)
        if trust is not None:
            connection.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, self._verify)
        return connection

    def clientConnectionForTLS(self, tlsProtocol: object) -> TLSConnection:
        return self.connection(None, tlsProtocol)

    def _verify(
        self, connection: SSL.Connection, certificate: crypto.X509, _error: int, depth: int, good: int
    ) -> bool:
        """The chain is OpenSSL's; the name of the leaf is held against the one wanted here."""
        if depth or not good:
            return bool(good)
        try:
            verify_service_identity(_names_of(certificate.to_cryptography()), self._wanted, [])
        except VerificationError:
            connection.get_app_data().failVerification(Failure())
            return False
        except CertificateError as error:
            # A certificate without alternative names is nobody's.
            unnamed = VerificationError(errors=[error])  # type: ignore[list-item]  # only shown
            connection.get_app_data().failVerification(Failure(unnamed))
            return False
        except Exception:
            log.failure("a certificate could not be checked: the handshake is aborted")
            return False
        return True


def _ascii_name(host: str) -> bytes:
    """``host`` as DNS spells it. Raises ValueError.

    What is ASCII stands as it is: IDNA knows neither ``my_app``, as containers are called, nor ``r3---sn``.
    """
    labels = host.lower().removesuffix(".").split(".")
    name = b".".join(label.encode("ascii") if label.isascii() else idna.alabel(label) for label in labels)
    if len(name) > MAX_NAME or not _HOST.fullmatch(name):
        raise ValueError("it is empty, too long, or holds other characters than names may")
    return name


def _names_of(certificate: x509.Certificate) -> list[DNSPattern | IPAddressPattern]:
    """The hosts that a certificate names, less those that stand for no host: the others hold without them."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    found: list[DNSPattern | IPAddressPattern] = [
        IPAddressPattern(address)
        for address in names.get_values_for_type(x509.IPAddress)
        if isinstance(address, IPv4Address | IPv6Address)
    ]
    for name in names.get_values_for_type(x509.DNSName):
        with contextlib.suppress(CertificateError):
            found.append(_pattern_of(name.encode("utf-8").lower()))
    return found


def _pattern_of(name: bytes) -> DNSPattern:
    """Raises CertificateError for what stands for no host.

    ``*.internal`` is the name of many a host inside companies, and Go and Envoy take it. The library does
    not, for the sake of names like ``*.com``, which no public authority may sign (CA/Browser Forum, Baseline
    Requirements §3.2.2.6).
    """
    return DNSPattern(name) if _ONE_LABEL.fullmatch(name) else DNSPattern.from_bytes(name)


@functools.cache
def _unverified() -> SSL.Context:
    """For ``tls_skip_verify``: the name is sent, nothing is checked."""
    return client_context(verify=False)
