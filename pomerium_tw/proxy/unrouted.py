"""Answers that are given before there is a request to find a route for, as the access log sees them."""

from __future__ import annotations

from dataclasses import InitVar, dataclass, field

from ..model import Head, Peer, Request, Target
from .head import HeadError

HTTPS_REDIRECT = "https_redirect"
"""Details of the answer to who came without TLS."""
HEAD_TIMEOUT = "request_header_timeout"
"""Details of a head that was not there in full in its time (``timeout_header``)."""
MALFORMED_FLAG = "DPE"
"""The client broke the protocol."""

_NOWHERE = Target(b"", "", None)


@dataclass(slots=True)
class Unrouted:
    """An answer to what walks no chain."""

    request: Request
    """What is known of it; empty where nothing was understood."""
    status: int
    details: str
    answer: InitVar[bytes]
    """The whole answer."""
    started: float
    """Seconds since the epoch: when it was answered, for nobody noted when it began."""
    flag: str = ""
    cluster_name: str = ""
    sent: int = field(init=False)
    """Bytes of the answer's body."""

    def __post_init__(self, answer: bytes) -> None:
        self.sent = len(answer) - answer.find(b"\r\n\r\n") - 4


def refused(error: HeadError, request: Request, answer: bytes, now: float) -> Unrouted:
    """``answer``: that to a head that is none. ``now``: seconds since the epoch."""
    if error.status == 408:
        return Unrouted(request, 408, HEAD_TIMEOUT, answer, now)
    details = f"request_refused{{{error.message.replace(' ', '_')}}}"
    return Unrouted(request, error.status, details, answer, now, MALFORMED_FLAG)


def understood(error: HeadError, request_id: str, scheme: str, peer: Peer) -> Request:
    """What was understood before the fault was found; bytes that were not are in no log.

    ``peer`` and ``scheme`` are the connection's own.
    """
    head = error.head or Head(host="", port=None, passed=b"")
    return Request(request_id, error.method, scheme, error.target or _NOWHERE, head, error.peer or peer)
