"""What bytes that are not a request are answered with."""

from __future__ import annotations

from ..pages import bare_reply, status_text
from .configured_headers import NO_HEADERS, ConfiguredHeaders
from .head import HeadError

_CLOSE = b"Connection: close\r\n"
_FRAMING = {426: b"Connection: close, upgrade\r\nUpgrade: HTTP/1.1\r\n"}
_HEADERS = {405: ((b"Allow", b"GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"),)}
"""What RFC 9110 (§15.5.6, §15.5.22) asks of these refusals."""


def refusal(error: HeadError, more: bytes, asked: bytes, configured: ConfiguredHeaders = NO_HEADERS) -> bytes:
    """A whole answer after which the connection ends. ``more``: further header lines, Date among them.

    ``asked``: what came, from the request's first byte on. No answer to HEAD has a body (RFC 9110 §9.3.2).
    """
    reply = bare_reply(error.status, error.message)
    return b"HTTP/1.1 %d %b\r\n%b%bContent-Length: %d\r\n%b\r\n%b" % (
        error.status,
        status_text(error.status).encode("ascii"),
        _FRAMING.get(error.status, _CLOSE),
        configured.over((*_HEADERS.get(error.status, ()), *reply.headers)),
        len(reply.body),
        more,
        b"" if asked.removeprefix(b"\r\n").startswith(b"HEAD ") else reply.body,
    )
