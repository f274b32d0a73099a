"""What connections may be upgraded to, and from whose pages (spec/proxy §2.1, spec/threats WS-02)."""

from __future__ import annotations

import re
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import BeforeValidator, PlainValidator

from pomerium_tw.model import DEFAULT_PORTS

from .addresses import host_and_port
from .problem import DecodeError
from .values import listed, text, word

WEBSOCKET = "websocket"
"""What ``allow_websockets`` stands for in ``allow_upgrades`` (RFC 6455 §4.1)."""
SPDY = "spdy/3.1"
"""What ``allow_spdy`` stands for: ``kubectl exec`` and its kind."""
ANY_ORIGIN = "*"

_WORD = "[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_PROTOCOL = re.compile(f"{_WORD}(?:/{_WORD})?")
_CARRIERS = frozenset({"h2", "h2c", "http", "tls"})
"""Protocols inside which further requests would pass undecided."""
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[a-z0-9._:\[\]-]+")


def filled(value: Any) -> list[Any]:
    """The entries of a list that are not blank."""
    return [each for each in listed(value) if not (isinstance(each, str) and not each.strip())]


def protocol(value: Any) -> str:
    """The name of a protocol in an Upgrade header (RFC 9110 §7.8), in lower case."""
    found = text(value).strip().lower()
    if not _PROTOCOL.fullmatch(found):
        raise DecodeError("this is not the name of a protocol", "write one such as websocket or spdy/3.1")
    if found.partition("/")[0] in _CARRIERS:
        raise DecodeError(
            "this protocol carries requests that nobody would decide",
            "leave the entry out: it is never allowed",
        )
    return found


def origin(value: Any) -> str:
    """What a browser names as the Origin of a page (RFC 6454 §6.2), or ``*`` for any."""
    hint = "write https://app.example.com without a path, or * for any origin"
    found = word(value).lower().removesuffix("/")
    if found == ANY_ORIGIN:
        return found
    if found == "null":
        raise DecodeError("every page can have the origin null, by a frame in a sandbox", hint)
    if not _ORIGIN.fullmatch(found):
        raise DecodeError("this is not the origin of a page", hint)
    parts = urlsplit(found)
    if parts.scheme not in DEFAULT_PORTS:
        return found
    host, port = host_and_port(parts.netloc)
    return f"{parts.scheme}://{host}" + ("" if port in (None, DEFAULT_PORTS[parts.scheme]) else f":{port}")


Upgrades = Annotated[tuple[Annotated[str, PlainValidator(protocol)], ...], BeforeValidator(filled)]
Origins = Annotated[tuple[Annotated[str, PlainValidator(origin)], ...], BeforeValidator(listed)]
