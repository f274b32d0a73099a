"""Everything that one configuration means to the data path: immutable, swapped whole (DESIGN §1)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from .cluster import Cluster
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


@dataclass(frozen=True)
class Generation:
    """What a request begins with it also ends with; the next one may begin with a newer generation."""

    number: int
    """Counts up; memos carry it, so that nothing remembered outlives its configuration."""
    run: Callable[[IExchange], None]
    """The chain of steps."""
    head_rules: HeadRules = field(default_factory=HeadRules)
    target_rules: TargetRules = field(default_factory=TargetRules)
    timeouts: Timeouts = field(default_factory=Timeouts)
    response_lines: bytes = b""
    """Configured response headers of answers that belong to no route."""
    clusters: tuple[Cluster, ...] = ()

    def close(self) -> None:
        """Let go of idle upstream connections once no exchange of this generation needs them."""
        for cluster in self.clusters:
            cluster.close()
