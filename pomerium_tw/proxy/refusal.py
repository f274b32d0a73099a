"""What bytes that are not a request are answered with."""

from __future__ import annotations

from ..pages import bare_reply, status_text
from .head import HeadError

_LINES = {
    405: b"Connection: close\r\nAllow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r\n",
    426: b"Connection: close, upgrade\r\nUpgrade: HTTP/1.1\r\n",
}
"""What RFC 9110 (§15.5.6, §15.5.22) asks of these refusals."""


def refusal(error: HeadError, more: bytes) -> bytes:
    """A whole answer after which the connection ends. ``more``: further header lines, Date among them."""
    reply = bare_reply(error.status, error.message)
    lines = b"".join([name + b": " + value + b"\r\n" for name, value in reply.headers])
    return b"HTTP/1.1 %d %b\r\n%b%bContent-Length: %d\r\n%b\r\n%b" % (
        error.status,
        status_text(error.status).encode("ascii"),
        _LINES.get(error.status, b"Connection: close\r\n"),
        lines,
        len(reply.body),
        more,
        reply.body,
    )
