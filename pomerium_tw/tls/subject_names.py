"""Patterns that a client certificate's subject alternative names are held against (spec/proxy §4.4)."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

import re2
from cryptography import x509

from ..model import ClientCertificate
from .errors import TLSError

USER_PRINCIPAL_NAME: Final = x509.ObjectIdentifier("1.3.6.1.4.1.311.20.2.3")
"""Microsoft's otherName of people and devices in a directory."""

_UTF8_STRING: Final = 0x0C


class SubjectNamePatterns:
    """RE2 patterns by type of name; one name that one pattern of its type matches as a whole is enough.

    Pomerium joins several patterns of a type so that only the first is bound to the start of the name and
    only the last to its end: there, more names pass than were meant. Here each pattern is bound to both.
    """

    def __init__(self, patterns: Mapping[str, Sequence[str]]) -> None:
        """Raises TLSError for a type that is not known, one without patterns, and a pattern not of RE2."""
        self._patterns = {kind: [_compiled(kind, each) for each in of] for kind, of in patterns.items()}
        for kind, compiled in self._patterns.items():
            if kind not in SAN_TYPES:
                known = ", ".join(SAN_TYPES)
                raise TLSError(f"{kind!r} is no type of subject alternative name; known are: {known}")
            if not compiled:
                raise TLSError(f"there is no pattern for subject alternative names of the type {kind}")

    def match(self, certificate: ClientCertificate) -> bool:
        """Without any patterns every certificate matches. Raises ValueError for one that cannot be read."""
        return not self._patterns or any(
            pattern.fullmatch(name)
            for kind, patterns in self._patterns.items()
            for name in SAN_TYPES[kind](certificate)
            for pattern in patterns
        )


def _compiled(kind: str, pattern: str) -> Any:
    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        message = f"the pattern {pattern!r} for names of the type {kind} is not a regular expression of RE2"
        raise TLSError(message) from error


def _alternative_names(certificate: ClientCertificate) -> x509.SubjectAlternativeName:
    extensions = certificate.parsed.extensions
    try:
        return extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return x509.SubjectAlternativeName([])


def _addresses(certificate: ClientCertificate) -> Iterator[str]:
    """IP addresses in their usual form; IPv4 in IPv6 as IPv4."""
    for address in _alternative_names(certificate).get_values_for_type(x509.IPAddress):
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
            yield str(address.ipv4_mapped)
        elif isinstance(address, ipaddress.IPv4Address | ipaddress.IPv6Address):
            yield str(address)


def _principals(certificate: ClientCertificate) -> Iterator[str]:
    """User principal names; one that is not UTF-8 text is none."""
    for name in _alternative_names(certificate).get_values_for_type(x509.OtherName):
        if name.type_id == USER_PRINCIPAL_NAME and (text := utf8_string(name.value)) is not None:
            yield text


def utf8_string(der: bytes) -> str | None:
    """The text of a DER UTF8String that fills its bytes to the end."""
    if len(der) < 2 or der[0] != _UTF8_STRING:
        return None
    start, length = 2, der[1]
    if length >= 0x80:
        start += length & 0x7F
        length = int.from_bytes(der[2:start], "big")
    if len(der) != start + length:
        return None
    try:
        return der[start:].decode("utf-8")
    except UnicodeDecodeError:
        return None


SAN_TYPES: Final[Mapping[str, Callable[[ClientCertificate], Sequence[str] | Iterator[str]]]] = (
    MappingProxyType(
        {
            "dns": lambda certificate: certificate.dns_names,
            "email": lambda certificate: certificate.emails,
            "ip_address": _addresses,
            "uri": lambda certificate: certificate.uris,
            "user_principal_name": _principals,
        }
    )
)
"""Types of subject alternative names as the configuration writes them → those of a certificate."""
