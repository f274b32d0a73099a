"""One exchange joined to one upstream connection, both bodies flowing, neither side ahead of the other."""

from __future__ import annotations

from typing import cast

from twisted.internet.defer import Deferred
from twisted.internet.error import TimeoutError as ConnectTimeout
from twisted.internet.interfaces import IPushProducer
from twisted.logger import Logger
from twisted.python.failure import Failure

from .chunked import LAST_CHUNK, encode_chunk
from .exchange import Forward, IExchange
from .finish import Finish
from .response import ResponseHead
from .upstream import Fault, UpstreamConnection

log = Logger("pomerium.proxy")

_REPEATABLE = frozenset(("GET", "HEAD", "OPTIONS", "TRACE"))
"""Safe methods (RFC 9110 §9.2.1): sent again when a kept connection closed before a byte of the answer."""


class Forwarding:
    """The conversation with the upstream for one exchange. Implements BodySink, Answer and Waiting."""

    __slots__ = (
        "_answered",
        "_chunked",
        "_connecting",
        "_connection",
        "_counting_from",
        "_endpoint",
        "_exchange",
        "_finish",
        "_head",
        "_idle_timeout",
        "_over",
        "_route_timeout",
        "_throttling",
        "_uploading",
        "deadline",
    )

    def __init__(self, exchange: IExchange, forward: Forward, finish: Finish) -> None:
        plan = exchange.plan
        assert plan is not None  # noqa: S101 - the route step ran
        self._exchange = exchange
        exchange.cluster_name = forward.cluster_name
        self._endpoint = forward.endpoint
        self._head = forward.head
        self._finish = finish
        self._connection: UpstreamConnection | None = None
        self._connecting: Deferred[UpstreamConnection] | None = None
        self._chunked = exchange.request.head.chunked
        self._uploading = not exchange.body_done
        self._answered = False
        self._throttling = False
        self._over = False
        self._route_timeout = plan.route.timeout
        self._idle_timeout = plan.route.idle_timeout
        self._counting_from = exchange.started
        """The route's time-out counts from the end of the request: an upload takes as long as it takes."""
        self.deadline = 0.0

    def start(self) -> None:
        self._exchange.attend(self)
        self._finish.sweep.add(self)
        self._touch()
        free = self._endpoint.take()
        if free is None:
            self._connect()
            return
        try:
            self._send(free)
        except Exception:
            self._failed(Failure())

    def _touch(self) -> None:
        """The next deadline: the answer in full within the route's time-out, no silence past the idle one."""
        deadline = 0.0
        if self._route_timeout and not self._uploading:
            deadline = self._counting_from + self._route_timeout
        if self._idle_timeout:
            silent = self._finish.now() + self._idle_timeout
            deadline = min(deadline, silent) if deadline else silent
        self.deadline = deadline

    # -- connecting and sending

    def _connect(self) -> None:
        connecting = self._connecting = self._endpoint.connect()
        connecting.addCallbacks(self._connected, self._unreachable)
        connecting.addErrback(self._failed)

    def _connected(self, connection: UpstreamConnection) -> None:
        self._connecting = None
        if self._over:
            connection.close()
        else:
            self._send(connection)

    def _unreachable(self, failure: Failure) -> None:
        self._connecting = None
        if self._over:
            return
        self._end()
        slow = failure.check(ConnectTimeout) is not None
        cause = "connection_timeout" if slow else "connection_failure"
        self._finish.upstream_unreachable(self._exchange, failure.getErrorMessage(), cause)

    def _failed(self, failure: Failure) -> None:
        """Something of ours failed: the exchange is not left without an answer."""
        log.failure("forwarding failed", failure, request_id=self._exchange.request.id)
        if not self._over:
            self._end()
            self._drop_connection()
            self._finish.internal_error(self._exchange)

    def _send(self, connection: UpstreamConnection) -> None:
        self._connection = connection
        exchange = self._exchange
        connection.send(self, self._head, no_body=exchange.request.method == "HEAD", more=self._uploading)
        if self._uploading:
            connection.throttle(cast(IPushProducer, exchange))  # as a producer it is the body's flow
            exchange.read_body()

    # -- the request's body

    def body_data(self, data: bytes) -> None:
        connection = self._connection
        if connection is not None and connection.alive:
            self._touch()
            connection.write(encode_chunk(data) if self._chunked else data)

    def body_end(self) -> None:
        connection = self._connection
        self._uploading = False
        if connection is not None and connection.alive:
            if self._chunked:
                connection.write(LAST_CHUNK)
            connection.unthrottle()
            connection.sent()
        self._counting_from = self._finish.now()
        self._touch()

    def exchange_lost(self) -> None:
        """The client is gone."""
        if not self._over:
            self._end()
            self._drop_connection()

    def _drop_connection(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.abort()
        elif self._connecting is not None:
            self._connecting.cancel()

    # -- the answer

    def answer_head(self, head: ResponseHead, data: bytes, end: bool) -> None:
        self._answered = True
        exchange = self._exchange
        if end:
            self._finish_answer()
            self._finish.upstream_head(exchange, head, data, end=True)
            return
        self._touch()
        self._throttling = True
        connection = self._connection
        assert connection is not None  # noqa: S101 - it is answering
        self._finish.upstream_head(exchange, head, data, end=False)
        exchange.throttle(connection)

    def answer_data(self, data: bytes, end: bool) -> None:
        exchange = self._exchange
        if end:
            self._finish_answer()
            if data:
                exchange.send_data(data)
            exchange.send_end()
            return
        self._touch()
        exchange.send_data(data)

    def answer_failed(self, fault: Fault, error: str) -> None:
        connection, self._connection = self._connection, None
        if self._over:
            return
        if fault is Fault.UNTOUCHED and connection is not None and connection.used > 1 and self._repeatable():
            self._connect()
            return
        self._end()
        exchange = self._exchange
        if self._answered:
            exchange.details = "upstream_reset_after_response_started"
            exchange.reset()
        elif fault is Fault.MALFORMED:
            self._finish.upstream_malformed(exchange, error)
        elif fault is Fault.TLS:
            self._finish.upstream_unreachable(exchange, error, "TLS_error")
        else:
            self._finish.upstream_closed(exchange)

    def _repeatable(self) -> bool:
        """Whether the request may be sent again on a new connection: safe, and still at hand in full."""
        head = self._exchange.request.head
        return self._exchange.request.method in _REPEATABLE and not head.content_length and not head.chunked

    def expired(self, now: float) -> None:  # noqa: ARG002 (Waiting's signature)
        self._end()
        self._drop_connection()
        if self._answered:
            self._exchange.details = "response_timeout"
            self._exchange.reset()
        else:
            self._finish.upstream_timeout(self._exchange)

    def _finish_answer(self) -> None:
        self._end()
        connection, self._connection = self._connection, None
        if self._uploading and connection is not None:
            # The upstream answered without waiting for the rest of the body.
            connection.abort()

    def _end(self) -> None:
        self._over = True
        self._finish.sweep.discard(self)
        if self._throttling:
            self._throttling = False
            self._exchange.unthrottle()
