"""A request and a caller from what a person says of them on the command line."""

from __future__ import annotations

import ipaddress
import json
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click

from pomerium_tw.model import (
    ANONYMOUS,
    ClientCertificate,
    DirectoryGroup,
    DirectoryUser,
    Head,
    Identity,
    Peer,
    Request,
    Session,
    User,
)
from pomerium_tw.policy import INPUTS
from pomerium_tw.proxy import HeadError, TargetRules, parse_target

_PEM = re.compile(rb"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)


@dataclass(frozen=True)
class Situation:
    """What is to be explained."""

    request: Request
    identity: Identity
    known: frozenset[str]
    """The inputs that the person said something of, or that need nobody to."""
    who: str
    """The caller, in words."""


def situation(
    url: str,
    *,
    method: str,
    headers: Iterable[str],
    user: str,
    email: str,
    claims: Iterable[str],
    groups: Iterable[str],
    ip: str,
    cert: Path | None,
) -> Situation:
    """Raises click.UsageError for what cannot be read."""
    if method != method.upper():
        raise click.UsageError(f"methods are written in capital letters; {method!r} would be refused (405)")
    request = Request(
        "explained",
        method,
        "https",
        *_asked(url, method, headers),
        Peer(_address(ip), 0),
        None if cert is None else _certificate(cert),
    )
    identity = _identity(user, email, list(claims), list(groups))
    if identity is ANONYMOUS:
        who = "nobody signed in"
    else:
        who = f"signed in as {identity.user_id}" + (f" ({identity.email})" if identity.email else "")
    return Situation(request, identity, INPUTS if ip else INPUTS - {"address"}, who)


def _asked(url: str, method: str, headers: Iterable[str]) -> tuple[Any, Head]:
    parts = urlsplit(url)
    try:
        host, port = parts.hostname, parts.port
        path = (parts.path or "/").encode("ascii") + (
            f"?{parts.query}".encode("ascii") if parts.query else b""
        )
    except ValueError as error:
        raise click.UsageError(f"{url!r} is not a URL of a request: {error}") from None
    if not host or parts.scheme not in ("http", "https"):
        raise click.UsageError(f"{url!r} is not a URL such as https://app.example.com/path")
    shown = f"[{host}]" if ":" in host else host
    head = Head(host=shown, port=port, fields=tuple(map(_field, headers)), passed=b"")
    try:
        return parse_target(method, path, head, TargetRules()), head
    except HeadError as error:
        raise click.UsageError(f"the request would be refused ({error.status}): {error}") from None


def _field(written: str) -> tuple[bytes, bytes]:
    name, colon, value = written.partition(":")
    if not colon or not name.strip():
        raise click.UsageError(f"{written!r} is not a header; write NAME:VALUE")
    return name.strip().lower().encode(), value.strip().encode()


def _address(text: str) -> str:
    if not text:
        return ""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        raise click.UsageError(f"{text!r} is not an IP address") from None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)


def _certificate(file: Path) -> ClientCertificate:
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding

    try:
        found = [x509.load_pem_x509_certificate(block) for block in _PEM.findall(file.read_bytes())]
    except (OSError, ValueError) as error:
        raise click.UsageError(f"{file} cannot be read: {error}") from None
    if not found:
        raise click.UsageError(f"{file} holds no certificate (PEM)")
    leaf, *intermediates = (each.public_bytes(Encoding.DER) for each in found)
    return ClientCertificate(leaf, tuple(intermediates))


def _identity(user: str, email: str, claims: list[str], groups: list[str]) -> Identity:
    if not (user or email or claims or groups):
        return ANONYMOUS
    user_id = user or "somebody"
    values: dict[str, tuple[Any, ...]] = {}
    for written in claims:
        name, equals, value = written.partition("=")
        if not equals or not name:
            raise click.UsageError(f"{written!r} is not a claim; write NAME=VALUE")
        values[name] = (*values.get(name, ()), _value(value))
    return Identity(
        Session("explained", user_id, "", 0.0, math.inf, values),
        User(user_id, "", email),
        DirectoryUser(user_id, None, tuple(map(DirectoryGroup, groups))) if groups else None,
    )


def _value(text: str) -> Any:
    """A number, a boolean or a quoted text of JSON; anything else is the text itself."""
    try:
        found = json.loads(text)
    except ValueError:
        return text
    return found if isinstance(found, str | int | float) else text
