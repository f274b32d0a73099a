"""Everything that one configuration means to the data path: immutable, swapped whole (DESIGN §1)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from .body_rate import MIN_BODY_RATE
from .client_address import NO_TRUST, Trust
from .cluster import Cluster
from .configured_headers import NO_HEADERS, ConfiguredHeaders
from .exchange import IExchange
from .header_names import HeadRules
from .target import TargetRules

HEAD_SECONDS = 10.0
"""Longest that a request head may take, and that a new connection may be silent (spec/threats DO-01)."""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds; 0 is off."""

    head: float = HEAD_SECONDS
    """From the first byte of a request head to its last (spec/threats DO-01)."""
    request: float = 30.0
    """From the request head to the last byte of its body (``timeout_read``)."""
    idle: float = 300.0
    """A connection without a request (``timeout_idle``)."""
    body_rate: float = MIN_BODY_RATE
    """Bytes a second that a client has to send of a body (``min_body_rate``); 0 is none."""
    stream: float = 0.0
    """From the request head to the last byte of the answer, or to the end of a tunnel (``timeout_write``)."""

    def head_due(self, now: float) -> float:
        """The deadline of a head that is waited for from now on; 0 is never.

        Where heads have none (``timeout_header: 0``), silence still ends by ``idle``.
        """
        seconds = self.head or self.idle
        return now + seconds if seconds else 0.0


@dataclass(frozen=True)
class Generation:
    """What a request begins with it also ends with; the next one may begin with a newer generation."""

    number: int
    """Counts up; what is remembered of callers carries it, so that nothing outlives its configuration."""
    run: Callable[[Sequence[IExchange]], None]
    """The chain of steps, for exchanges that began together."""
    decide_again: Callable[[IExchange, Generation], bool]
    """Whether an exchange that was let through would be by this generation (DESIGN §7.7)."""
    head_rules: HeadRules = field(default_factory=HeadRules)
    target_rules: TargetRules = field(default_factory=TargetRules)
    trust: Trust = NO_TRUST
    timeouts: Timeouts = field(default_factory=Timeouts)
    response_headers: ConfiguredHeaders = NO_HEADERS
    """Those of answers that belong to no route."""
    clusters: tuple[Cluster, ...] = ()

    def allows(self, exchange: IExchange) -> bool:
        """Whether an exchange that was let through, maybe by an older generation, would be now."""
        return self.decide_again(exchange, self)

    def close(self) -> None:
        """Let go of idle upstream connections once no exchange of this generation needs them."""
        for cluster in self.clusters:
            cluster.close()
