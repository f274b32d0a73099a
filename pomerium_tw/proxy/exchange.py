"""One request and its answer, whatever the protocol it came by."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from twisted.internet.interfaces import IPushProducer
from twisted.web.resource import IResource

from ..model import ANONYMOUS, Decision, Identity, Reply, Request

if TYPE_CHECKING:
    from .cluster import Endpoint
    from .generation import Generation
    from .plan import RoutePlan


class BodySink(Protocol):
    """Who takes a request's body."""

    def body_data(self, data: bytes) -> None: ...

    def body_end(self) -> None: ...

    def exchange_lost(self) -> None:
        """The client is gone or broke the framing: nothing more comes, and nothing can be answered."""


class IExchange(Protocol):
    """All input and output of an exchange.

    HTTP/1 implements it over a connection; an HTTP/2 stream can as well. As a producer it is the body's flow.
    The facts are those of :class:`Exchange`.
    """

    request: Request
    generation: Generation
    started: float
    plan: RoutePlan | None
    identity: Identity
    decision: Decision | None
    status: int
    sent: int
    details: str
    cluster_name: str
    body_done: bool
    """The request's body has arrived in full."""
    gone: bool
    """The client left before the answer."""

    def attend(self, sink: BodySink) -> None:
        """``sink`` answers from now on: it gets the body, and is told when the client is lost."""

    def read_body(self) -> None:
        """Start the body flowing to the sink; what has arrived already is delivered at once."""

    def send_head(
        self, status: bytes, lines: bytes, *, chunked: bool, data: bytes = b"", end: bool = False
    ) -> None:
        """Begin the answer.

        ``status``: status code and reason phrase. ``lines``: header lines with their CRLFs, Content-Length
        among them unless ``chunked`` says that the length is not known. ``data`` and ``end``: body bytes at
        hand, and whether they are all.
        """

    def send_data(self, data: bytes) -> None: ...

    def send_end(self) -> None: ...

    def throttle(self, producer: IPushProducer) -> None:
        """Have ``producer`` paused while the client reads slower than it writes."""

    def unthrottle(self) -> None: ...

    def reset(self) -> None:
        """End the exchange so that the client cannot take a part for the whole."""


class Exchange:
    """What the steps of the chain read and fill in. A protocol's subclass implements :class:`IExchange`."""

    __slots__ = (
        "cluster_name",
        "decision",
        "details",
        "generation",
        "identity",
        "plan",
        "request",
        "sent",
        "started",
        "status",
    )

    def __init__(self, request: Request, generation: Generation, started: float) -> None:
        self.request = request
        self.generation = generation
        """The generation that this exchange began with and ends with."""
        self.started = started
        """Seconds since the epoch."""
        self.plan: RoutePlan | None = None
        self.identity: Identity = ANONYMOUS
        self.decision: Decision | None = None
        self.status = 0
        """Status sent downstream; 0 while none was."""
        self.sent = 0
        """Body bytes sent downstream."""
        self.details = ""
        """Why this status, for the access log."""
        self.cluster_name = ""


class Respond:
    """Outcome of a step: answer with a whole reply of our own."""

    __slots__ = ("details", "reply")

    def __init__(self, reply: Reply, details: str) -> None:
        self.reply = reply
        self.details = details


class Serve:
    """Outcome of a step: let a twisted.web resource tree of ours answer."""

    __slots__ = ("root",)

    def __init__(self, root: IResource) -> None:
        self.root = root


class Forward:
    """Outcome of a step: send the request on."""

    __slots__ = ("cluster_name", "endpoint", "head")

    def __init__(self, cluster_name: str, endpoint: Endpoint, head: bytes) -> None:
        self.cluster_name = cluster_name
        self.endpoint = endpoint
        self.head = head
        """The whole rewritten request head."""


StepOutcome = Respond | Serve | Forward
"""None in its place means: go on to the next step."""
