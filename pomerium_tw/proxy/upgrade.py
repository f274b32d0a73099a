"""Upgrades of a connection: which are let through, and whether the upstream's answer is one (RFC 9110 §7.8).

After a good handshake both connections carry bytes that are HTTP no longer (:mod:`.tunnel`). So what asks
for one is checked before a byte goes upstream, and what grants it before a byte comes back: an upstream that
still reads HTTP behind a tunnel would take the client's bytes for requests (spec/threats SM-24, WS-05).
"""

from __future__ import annotations

import re
from base64 import b64encode
from hashlib import sha1
from urllib.parse import urlsplit

from ..model import DEFAULT_PORTS, Head, Request, Route
from ..pages import ErrorFacts, local_reply, texts
from .exchange import Respond

WEBSOCKET = b"websocket"
_VERSION = b"13"
_KEY = re.compile(rb"[A-Za-z0-9+/]{22}==")
"""16 bytes in base64 (RFC 6455 §4.2.1)."""
_MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
"""What a server adds to the key (RFC 6455 §1.3)."""


# -- the request


def refusal(request: Request, route: Route) -> Respond | None:
    """Why an authorized request with ``head.upgrade`` goes no further; None to forward it."""
    fault = _fault(request)
    if fault:
        return _refuse(texts.upgrade_malformed(fault), request)
    if request.head.upgrade not in [token.encode() for token in route.upgrades]:
        return _refuse(texts.upgrade_not_allowed(), request)
    if request.head.upgrade != WEBSOCKET:
        return None
    if request.head.get(b"sec-websocket-version") != _VERSION:
        facts = texts.upgrade_malformed("This WebSocket handshake is of another version than 13.")
        # Which versions are spoken has to be told (RFC 6455 §4.4); the status is that of WS-04.
        return _refuse(facts, request, ((b"Sec-WebSocket-Version", _VERSION),))
    if not _origin_allowed(request, route.websocket_origins):
        return _refuse(texts.origin_not_allowed(), request)
    return None


def _refuse(facts: ErrorFacts, request: Request, headers: tuple[tuple[bytes, bytes], ...] = ()) -> Respond:
    return Respond(local_reply(facts, request).with_headers(headers), facts.reason_text)


def _fault(request: Request) -> str:
    """What makes the handshake no good one, whatever the route allows; "" for nothing."""
    head = request.head
    if b"," in (head.upgrade or b""):
        return "This request asks for more than one protocol at once."
    if head.close:
        return "This request asks for its connection to be closed and to be upgraded."
    if head.chunked or head.content_length:
        # Where the body ends and the protocol begins, two readers could see differently.
        return "This request asks for an upgrade and has a body."
    if head.upgrade != WEBSOCKET:
        return ""
    if request.method != "GET":
        return "A WebSocket handshake is a GET."
    if _KEY.fullmatch(head.get(b"sec-websocket-key") or b"") is None:
        return "This WebSocket handshake has no good Sec-WebSocket-Key."
    return ""


def _origin_allowed(request: Request, others: tuple[str, ...]) -> bool:
    """Whether a page of the Origin may open a socket here: browsers send cookies along (spec/threats WS-02).

    Programs send none. Otherwise it is the host that the client asked for, or one of ``others``.
    """
    sent = request.head.get(b"origin")
    if sent is None or "*" in others:
        return True
    origin = sent.decode("ascii", "replace").lower()
    return origin in others or _is_own(origin, request)


def _is_own(origin: str, request: Request) -> bool:
    """Host and port are the request's own; a page that came unencrypted opens nothing on an encrypted one."""
    try:
        parts = urlsplit(origin)
        port = parts.port
    except ValueError:
        return False
    default = DEFAULT_PORTS.get(parts.scheme)
    if default is None or (request.scheme == "https" and parts.scheme != "https"):
        return False
    # The value is no more than scheme, host and port (RFC 6454 §6.1).
    host = request.head.host
    named = f"{parts.scheme}://{host}" if port is None else f"{parts.scheme}://{host}:{port}"
    return origin == named and (port or default) == (request.head.port or default)


def lines(request: Request) -> bytes:
    """The header lines that ask the upstream for the upgrade, in the client's spelling."""
    return b"Connection: Upgrade\r\nUpgrade: %b\r\n" % _spelled(request.head)


def _spelled(head: Head) -> bytes:
    return head.get(b"upgrade") or b""


# -- the answer


def accepted(request: Request, block: bytes) -> bool:
    """Whether an upstream's 101 grants what was asked. Otherwise its answer is malformed: 502.

    ``block``: status line and header lines of an answer that was found to be good HTTP.
    """
    found: dict[bytes, list[bytes]] = {}
    for line in block.split(b"\r\n")[1:]:
        name, _colon, value = line.partition(b":")
        found.setdefault(name.lower(), []).append(value.strip(b" \t"))
    options = b",".join(found.get(b"connection", ())).lower().split(b",")
    granted = [value.lower() for value in found.get(b"upgrade", ())]
    if b"upgrade" not in (option.strip(b" \t") for option in options) or granted != [request.head.upgrade]:
        return False
    if found.get(b"content-length", [b"0"]) != [b"0"] or b"transfer-encoding" in found:
        # An interim answer has neither (RFC 9110 §8.6): who sends them means some other answer. Some servers
        # send a length of 0, which says nothing else than the 101 does.
        return False
    return request.head.upgrade != WEBSOCKET or found.get(b"sec-websocket-accept") == [_accept(request.head)]


def _accept(head: Head) -> bytes:
    """What only a WebSocket server makes of the key (RFC 6455 §4.2.2)."""
    key = head.get(b"sec-websocket-key") or b""
    return b64encode(sha1(key + _MAGIC, usedforsecurity=False).digest())


def switching(request: Request, passed: bytes) -> bytes:
    """The whole 101 head for the client.

    ``passed``: the upstream's lines that may travel on and ours over them, each with its CRLF.
    """
    return b"HTTP/1.1 101 Switching Protocols\r\n%bX-Request-Id: %b\r\n%b\r\n" % (
        passed,
        request.id.encode(),
        lines(request),
    )
