"""What kind of answer a client wants: Accept negotiation, and whether a redirect to sign-in would help it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from ..model import Request

HTML = "text/html"
JSON = "application/json"
PLAIN = "text/plain"

MAX_ACCEPT_BYTES = 4096
"""A longer Accept header counts as absent; browsers send about 150 bytes."""

# A quoted string holds no bare quote, so each character is looked at once: linear for any input.
_ELEMENT = re.compile(r'(?:[^,"]|"[^"]*")+')
_PARAMETER = re.compile(r'(?:[^;"]|"[^"]*")+')
_NAME = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_RANGE = re.compile(rf"(?:\*/\*|({_NAME})/({_NAME}))")
_QUALITY = re.compile(r"(?:0?\.[0-9]{1,3}|[01](?:\.[0-9]{0,3})?)")

_GRPC_WEB_OFFERS = ("application/grpc-web-text", "application/grpc-web+proto", "application/grpc+proto")


class MediaRange(NamedTuple):
    """One element of an Accept header.

    Parameters other than ``q`` do not narrow it: we offer one form of each type.
    """

    kind: str
    """Type in lower case, or ``*``."""
    subtype: str
    """Subtype in lower case, or ``*``."""
    quality: float
    """0 to 1; 0 means "not this"."""

    @property
    def specificity(self) -> int:
        return (self.kind != "*") + (self.subtype != "*")

    def covers(self, media_type: str) -> bool:
        kind, _, subtype = media_type.partition("/")
        return self.kind in ("*", kind) and self.subtype in ("*", subtype)


def parse_accept(value: bytes | None) -> tuple[MediaRange, ...]:
    """The media ranges of an Accept value in the order of the header (RFC 9110 §12.5.1).

    Elements that cannot be read are left out; absent, oversized and unreadable values give no ranges.
    """
    if not value or len(value) > MAX_ACCEPT_BYTES:
        return ()
    ranges = (_media_range(element) for element in _ELEMENT.findall(value.decode("latin-1")))
    return tuple(item for item in ranges if item is not None)


def _media_range(element: str) -> MediaRange | None:
    name, _, rest = element.partition(";")
    match = _RANGE.fullmatch(name.strip(" \t"))
    if match is None:
        return None
    quality = 1.0
    for parameter in _PARAMETER.findall(rest):
        key, _, text = parameter.strip(" \t").partition("=")
        if key.lower() == "q":
            if not _QUALITY.fullmatch(text):
                return None
            quality = min(float(text), 1.0)
    kind, subtype = (match[1] or "*").lower(), (match[2] or "*").lower()
    return MediaRange(kind, subtype, quality)


def best(accept: bytes | None, offers: Sequence[str]) -> str:
    """The offered media type that the client likes most; the first one when it does not say, or likes none.

    The most specific range that covers an offer gives its quality. Equal qualities go by the position of that
    range in the header, then by the order of ``offers``.
    """
    ranges = parse_accept(accept)
    ranked: list[tuple[float, int, int]] = []
    for order, offer in enumerate(offers):
        covering = [
            (item.specificity, -place, item) for place, item in enumerate(ranges) if item.covers(offer)
        ]
        if covering:
            _, place, item = max(covering)
            if item.quality > 0:
                ranked.append((-item.quality, -place, order))
    return offers[min(ranked)[2]] if ranked else offers[0]


def media_type(value: bytes | None) -> str:
    """The media type of a Content-Type value in lower case, without parameters."""
    return (value or b"").partition(b";")[0].strip().lower().decode("latin-1")


def is_grpc_web(request: Request) -> bool:
    """A gRPC-Web call, binary or text."""
    return media_type(request.head.get(b"content-type")).startswith("application/grpc-web")


def is_grpc(request: Request) -> bool:
    """A gRPC call over HTTP/2 (not gRPC-Web)."""
    content_type = media_type(request.head.get(b"content-type"))
    return content_type == "application/grpc" or content_type.startswith("application/grpc+")


def made_by_script(request: Request) -> bool:
    """Sent by a page's script or as a part of a page, not by a person who goes somewhere (RD-17)."""
    if request.head.text(b"x-requested-with").lower() == "xmlhttprequest":
        return True
    mode = request.head.get(b"sec-fetch-mode")
    return mode is not None and mode.lower() not in (b"navigate", b"nested-navigate")


def prefers_json(request: Request) -> bool:
    """JSON rather than a page: by Accept; where that does not say, scripts get JSON.

    gRPC-Web comes from scripts too, but has a form of its own.
    """
    scripted = made_by_script(request) and not is_grpc_web(request)
    offers = (JSON, HTML) if scripted else (HTML, JSON)
    return best(request.head.get(b"accept"), offers) == JSON


def wants_redirect(request: Request, *, mcp_server: bool = False) -> bool:
    """Send a caller without a session to the sign-in page? Otherwise 401 (spec/identity §3.1 step 2, RD-17).

    No for gRPC, for callers that presented a session outside of a cookie, for scripts and WebSocket
    handshakes, for /robots.txt, and when Accept ranks another type above HTML. Nor for ``mcp_server``: the
    clients of such a route are programs, whatever they accept.
    """
    if mcp_server:
        return False
    if is_grpc(request) or is_grpc_web(request) or made_by_script(request) or _presents_session(request):
        return False
    if request.head.upgrade == b"websocket" or request.target.path == "/robots.txt":
        return False
    return best(request.head.get(b"accept"), (HTML, JSON, PLAIN, *_GRPC_WEB_OFFERS)) == HTML


def _presents_session(request: Request) -> bool:
    """A session in one of the forms of spec/identity §8.2 other than the cookie, valid or not."""
    if request.head.get(b"x-pomerium-authorization"):
        return True
    authorization = (request.head.get(b"authorization") or b"").lower()
    if authorization.startswith((b"pomerium ", b"bearer pomerium-")):
        return True
    return b"&pomerium_session=" in b"&%b" % (request.target.query or b"")
