"""One request and its answer, whatever the protocol it came by."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from twisted.internet.interfaces import IPushProducer
from twisted.python.failure import Failure

from ..model import ANONYMOUS, Decision, Identity, Reply, Request

if TYPE_CHECKING:
    from .client_address import Client, Trust
    from .finish import Finish
    from .generation import Generation
    from .plan import RoutePlan


class BodySink(Protocol):
    """Who takes a request's body."""

    def body_data(self, data: bytes) -> None: ...

    def body_end(self) -> None: ...

    def exchange_lost(self) -> None:
        """The client is gone or broke the framing: nothing more comes, and nothing can be answered."""


class Receiver(Protocol):
    """Who takes the bytes of a connection that carries no more HTTP."""

    def data_received(self, data: bytes) -> None: ...

    def read_closed(self) -> None:
        """Nothing more comes; what is written is still taken."""

    def connection_lost(self, reason: Failure) -> None: ...

    def close(self, details: str) -> None:
        """The connection has to end soon; ``details`` is why, for the access log."""


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
    flag: str
    cluster_name: str
    body_done: bool
    """The request's body has arrived in full."""
    body_limit: int
    """Bytes of body beyond which the exchange ends with 413; 0 is no limit."""
    answered: bool
    """The answer is written in full, or the connection given away."""
    gone: bool
    """The client left before the answer."""

    def attend(self, sink: BodySink) -> None:
        """``sink`` answers from now on: it gets the body, and is told when the client is lost."""

    def read_body(self) -> None:
        """Start the body flowing to the sink; what has arrived already is delivered at once."""

    def send_head(
        self, status: int, line: bytes, lines: bytes, *, chunked: bool, data: bytes = b"", end: bool = False
    ) -> None:
        """Begin the answer; the request's id goes with it.

        ``line``: status code and reason phrase. ``lines``: header lines with their CRLFs, Content-Length
        among them unless ``chunked`` says that the length is not known. ``data`` and ``end``: body bytes at
        hand, and whether they are all.
        """

    def send_data(self, data: bytes) -> None: ...

    def send_end(self, trailers: bytes = b"") -> None:
        """The answer is complete. ``trailers``: header lines for its end, where its framing has room."""

    def throttle(self, producer: IPushProducer) -> None:
        """Have ``producer`` paused while the client reads slower than it writes."""

    def unthrottle(self) -> None: ...

    def unsent(self) -> int:
        """Bytes written that the client has yet to take, as far as that is known."""

    def client_by(self, trust: Trust) -> Client:
        """Who asks, when ``trust`` says which proxies are believed."""

    def forget(self) -> None:
        """Hold no more than the exchange itself: it will last."""

    def reset(self) -> None:
        """End the exchange so that the client cannot take a part for the whole."""

    def detach(self, receiver: Receiver, status: int) -> Any:
        """Give the connection away: what came early and what comes goes to ``receiver``.

        The transport to write the answer to, of ``status``. Whoever has it tells :meth:`over`.
        """

    def over(self) -> None:
        """The detached connection has ended: the exchange is logged."""


class Exchange:
    """What the steps of the chain read and fill in. A protocol's subclass implements :class:`IExchange`.

    Attributes that most exchanges never set are the class's: setting each costs more than reading it.
    """

    plan: RoutePlan | None = None
    identity: Identity = ANONYMOUS
    decision: Decision | None = None
    status: int = 0
    """Status sent downstream; 0 while none was."""
    sent: int = 0
    """Body bytes sent downstream."""
    details: str = ""
    """Why this status, for the access log."""
    flag: str = ""
    """Why it failed, in two or more letters (spec/proxy §3.10); "" of what did not."""
    cluster_name: str = ""
    body_limit: int = 0

    request: Request
    generation: Generation
    """The generation that this exchange began with and ends with."""
    started: float
    """Seconds since the epoch."""


class StepOutcome(Protocol):
    """What a step ends the chain with; None in its place means: go on to the next step."""

    def carry_out(self, exchange: IExchange, finish: Finish) -> None: ...


class Rest:
    """Answer of a step that has a good deal left to do, in calls given the exchange.

    The chain makes the first call for all exchanges that are this far, then the second, and so on (see
    :mod:`.chain`). What the last call answers is the step's answer.
    """

    __slots__ = ("calls",)

    def __init__(self, first: Callable[[IExchange], Any], *more: Callable[[IExchange], Any]) -> None:
        self.calls = (first, *more)


class Respond:
    """Outcome of a step: answer with a whole reply of our own."""

    __slots__ = ("details", "reply")

    def __init__(self, reply: Reply, details: str) -> None:
        self.reply = reply
        self.details = details

    def carry_out(self, exchange: IExchange, finish: Finish) -> None:
        finish.reply(exchange, self.reply, self.details)
