"""The chain of steps that every request walks, in one order, until a step has the answer (DESIGN §1)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from zope.interface import Attribute, Interface

from .exchange import Forward, IExchange, Respond, StepOutcome
from .finish import Finish
from .forward import Forwarding
from .serve import serve

log = Logger("pomerium.proxy")


class IChainStep(Interface):
    """One step of the chain; a plug-in point.

    The steps of today are built in; ``reads`` and ``edits`` say what depends on what, for whoever adds one.
    """

    name = Attribute("Short name for logs.")
    reads = Attribute("Names of the exchange's facts that the outcome depends on.")
    edits = Attribute("Names of the exchange's facts that the step sets.")

    def advance(exchange: IExchange) -> Any:  # noqa: N805 (an interface has no self)
        """Look at the exchange: None to go on, an StepOutcome to end the chain, or a Deferred of either.

        An exception ends the exchange with an error page: nothing is let through.
        """


Advance = Callable[[IExchange], Any]


class Chain:
    """Walks the steps. Synchronous unless a step waits."""

    def __init__(self, steps: Sequence[Any], finish: Finish) -> None:
        self.steps = tuple(steps)
        self._advances: tuple[Advance, ...] = tuple(step.advance for step in steps)
        self._finish = finish

    def run(self, exchange: IExchange) -> None:
        self._walk(exchange, 0)

    def _walk(self, exchange: IExchange, at: int) -> None:
        try:
            for index in range(at, len(self._advances)):
                outcome = self._advances[index](exchange)
                if outcome is None:
                    continue
                if type(outcome) is Forward:
                    Forwarding(exchange, outcome, self._finish).start()
                elif isinstance(outcome, Deferred):
                    self._wait(outcome, exchange, index + 1)
                else:
                    self._carry_out(exchange, outcome)
                return
            raise RuntimeError("the chain ended without an answer")
        except Exception:
            # The request boundary: whatever went wrong, the request is not let through.
            log.failure("request failed", request_id=exchange.request.id)
            self._finish.internal_error(exchange)

    def _wait(self, waiting: Deferred[StepOutcome | None], exchange: IExchange, following: int) -> None:
        def go_on(outcome: StepOutcome | None) -> None:
            if exchange.gone:
                return
            if outcome is None:
                self._walk(exchange, following)
            else:
                self._carry_out(exchange, outcome)

        def failed(failure: Any) -> None:
            log.failure("request failed", failure, request_id=exchange.request.id)
            if not exchange.gone:
                self._finish.internal_error(exchange)

        waiting.addCallback(go_on)
        waiting.addErrback(failed)

    def _carry_out(self, exchange: IExchange, outcome: StepOutcome) -> None:
        if isinstance(outcome, Forward):
            Forwarding(exchange, outcome, self._finish).start()
        elif isinstance(outcome, Respond):
            self._finish.reply(exchange, outcome.reply, outcome.details)
        else:
            serve(exchange, outcome.root, self._finish)
