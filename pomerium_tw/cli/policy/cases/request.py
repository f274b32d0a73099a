"""The request that a case describes, as the edge would have made it."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from ipaddress import IPv6Address, ip_address
from typing import Any
from urllib.parse import quote, urlsplit

from pomerium_tw.model import ClientCertificate, Head, MCPCall, Peer, Request, SSHLogin, Target

_PEM = re.compile(r"-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]+)-----END CERTIFICATE-----")
_PATH_CHARACTERS = "/!$&'()*+,-.:;=@_~"


def request_of(given: Mapping[str, Any]) -> Request:
    """The request of a case's input; what the input leaves out is empty.

    ``request`` holds method, path (decoded), query, headers, host or hostname, ip and client_certificate;
    ``mcp``, ``ssh`` and ``request_id`` stand beside it. Raises ValueError for keys that are not base64.
    """
    asked = given.get("request") or {}
    query = asked.get("query")
    path = asked.get("path", "")
    target = Target(quote(path, safe=_PATH_CHARACTERS).encode(), path, query.encode() if query else None)
    return Request(
        given.get("request_id", ""),
        asked.get("method", ""),
        "https",
        target,
        _head(asked),
        Peer(_address(asked.get("ip", "")), 0),
        _certificate(asked.get("client_certificate") or {}),
        _call(given.get("mcp")),
        _login(given.get("ssh")),
    )


def certificates(pem: str) -> tuple[bytes, ...]:
    """DER of each certificate in a text, not looked into."""
    return tuple(base64.b64decode(block) for block in _PEM.findall(pem))


def _head(asked: Mapping[str, Any]) -> Head:
    authority = urlsplit("//" + (asked.get("host") or asked.get("hostname") or ""))
    host = authority.hostname or ""
    headers = {name: str(value).encode() for name, value in (asked.get("headers") or {}).items()}
    fields = {name.lower().encode(): value for name, value in headers.items()}
    return Head(
        host=f"[{host}]" if ":" in host else host,
        port=authority.port,
        fields=tuple(fields.items()),
        passed=b"".join(b"%b: %b\r\n" % (name.encode(), value) for name, value in headers.items()),
        cookie=fields.get(b"cookie"),
        upgrade=fields[b"upgrade"].lower() if b"upgrade" in fields else None,
    )


def _address(text: str) -> str:
    try:
        address = ip_address(text)
    except ValueError:
        return text  # left to the criteria: none may match it
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return str(mapped or address)


def _certificate(given: Mapping[str, Any]) -> ClientCertificate | None:
    leaf = given.get("leaf", "")
    if not (given.get("presented") or leaf):
        return None
    # A text that is no certificate stays one that cannot be read.
    der = certificates(leaf)[:1] or (leaf.encode(),)
    return ClientCertificate(der[0], certificates(given.get("intermediates", "")))


def _call(given: Mapping[str, Any] | None) -> MCPCall | None:
    if given is None:
        return None
    return MCPCall(given.get("id"), given.get("method", ""), given.get("tool"))


def _login(given: Mapping[str, Any] | None) -> SSHLogin | None:
    if given is None:
        return None
    return SSHLogin(given.get("username", ""), base64.b64decode(given.get("publickey", ""), validate=True))
