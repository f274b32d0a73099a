"""Callers, routes and requests of these tests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pomerium_tw.model import (
    ClientCertificate,
    Head,
    Identity,
    Peer,
    Request,
    Route,
    Session,
    Target,
    User,
    flatten_claims,
)

NOW = 1_800_000_000.0
HOST = "app.example.com"


def request(
    host: str = HOST,
    fields: tuple[tuple[bytes, bytes], ...] = (),
    certificate: ClientCertificate | None = None,
) -> Request:
    head = Head(host=host, port=None, fields=fields, passed=b"")
    target, peer = Target(b"/", "/", None), Peer("192.0.2.1", 4000)
    return Request("5f1c", "GET", "https", target, head, peer, certificate)


def route(host: str = HOST, **fields: Any) -> Route:
    return Route("r1", "app-r1", host, None, (), **{"pass_identity_headers": True, **fields})


def identity(
    session: Mapping[str, Any] | None = None,
    user: Mapping[str, Any] | None = None,
    email: str = "u@example.com",
) -> Identity:
    """A signed-in caller; claims as a provider sends them."""
    return Identity(
        Session("s1", "u1", "idp", 0, NOW + 9, flatten_claims(session or {})),
        User("u1", "", email, flatten_claims(user or {})),
    )
