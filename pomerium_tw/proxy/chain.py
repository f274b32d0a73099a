"""The chain of steps that every request walks, in one order, until a step has the answer (DESIGN §1)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from zope.interface import Attribute, Interface

from .exchange import IExchange, StepOutcome
from .finish import Finish

log = Logger("pomerium.proxy")


class IChainStep(Interface):
    """One step of the chain; a plug-in point.

    The steps of today are built in; ``reads`` and ``edits`` say what depends on what, for whoever adds one.
    """

    name = Attribute("Short name for logs.")
    reads = Attribute("Names of the exchange's facts that the outcome depends on.")
    edits = Attribute("Names of the exchange's facts that the step sets.")

    def advance(exchange: IExchange) -> Any:  # noqa: N805 (an interface has no self)
        """Look at the exchange: None to go on, a StepOutcome to end the chain, or a Deferred of either.

        An exception ends the exchange with an error page: nothing is let through.
        """


Advance = Callable[[IExchange], Any]


class Chain:
    """Walks the steps. Synchronous unless a step waits."""

    def __init__(self, steps: Sequence[Any], finish: Finish) -> None:
        self._advances: tuple[Advance, ...] = tuple(step.advance for step in steps)
        self._finish = finish

    def run(self, exchange: IExchange, at: int = 0) -> None:
        """``at``: the step to go on with."""
        advances = self._advances
        try:
            for advance in advances[at:] if at else advances:
                outcome = advance(exchange)
                if outcome is None:
                    continue
                if isinstance(outcome, Deferred):
                    self._wait(outcome, exchange, advances.index(advance) + 1)
                else:
                    outcome.carry_out(exchange, self._finish)
                return
            raise RuntimeError("the chain ended without an answer")
        except Exception:
            # The request boundary: whatever went wrong, the request is not let through.
            self._failed(exchange)

    def _wait(self, waiting: Deferred[StepOutcome | None], exchange: IExchange, following: int) -> None:
        def go_on(outcome: StepOutcome | None) -> None:
            if exchange.gone:
                return
            if outcome is None:
                self.run(exchange, following)
            else:
                outcome.carry_out(exchange, self._finish)

        waiting.addCallback(go_on)
        waiting.addErrback(lambda failure: self._failed(exchange, failure))

    def _failed(self, exchange: IExchange, failure: Any = None) -> None:
        log.failure("request failed", failure, request_id=exchange.request.id)
        if not exchange.gone:
            self._finish.internal_error(exchange)
