"""One exchange joined to one upstream connection, both bodies flowing, neither side ahead of the other."""

from __future__ import annotations

from typing import cast

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IPushProducer
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from ..transport import unsent
from . import failures
from .chunked import LAST_CHUNK, encode_chunk
from .cluster import Endpoint
from .exchange import IExchange
from .failures import Failed
from .finish import Finish
from .response import ResponseHead
from .tunnel import Tunnel
from .upgrade import accepted, switching
from .upstream import UpstreamConnection

log = Logger("pomerium.proxy")

_REPEATABLE = frozenset(("GET", "HEAD", "OPTIONS"))
"""Safe methods (RFC 9110 §9.2.1): sent again when a kept connection closed before a byte of the answer."""


@implementer(IPushProducer)
class Forward:
    """Outcome of a step: send the request on. Carries itself out: the conversation with the upstream.

    Implements BodySink, AnswerSink, Waiting and Lasting. As a producer it is the flow of the answer's body.
    """

    # Most exchanges have no body and are answered in one piece: they set none of these.
    deadline = 0.0
    _connection: UpstreamConnection | None = None
    _connecting: Deferred[UpstreamConnection] | None = None
    _uploading = False
    _answered = False
    _throttling = False
    _clogged = False
    """The client reads slower than it is answered."""
    _left = 0
    """Bytes that the other sides had yet to take when this was last noted."""
    _lasting = False
    _over = False
    _counting_from = 0.0
    """The route's time-out counts from the end of the request: an upload takes as long as it takes."""

    def __init__(self, endpoint: Endpoint, head: bytes, *, upgrade: bool = False) -> None:
        """``head``: the whole rewritten request head. ``upgrade``: it asks for one."""
        self._endpoint = endpoint
        self._head = head
        self._upgrade = upgrade

    def carry_out(self, exchange: IExchange, finish: Finish) -> None:
        self.exchange = exchange
        self._finish = finish
        plan = exchange.plan
        assert plan is not None  # noqa: S101 - the route step ran
        exchange.cluster_name = plan.name
        exchange.attend(self)
        self._counting_from = exchange.started
        if not exchange.body_done:
            self._uploading = True
        connection = self._endpoint.take()
        if connection is None:
            self._connect()
            return
        try:
            self._send(connection)
        except Exception:
            self._failed(Failure())

    def _deadline(self, now: float) -> float:
        """The next one: the answer in full within the route's time-out, no silence past the idle one."""
        exchange = self.exchange
        route = exchange.plan.route  # type: ignore[union-attr]  # the route step ran
        limit, idle, longest = route.timeout, route.idle_timeout, exchange.generation.timeouts.stream
        # A client that reads slowly is waited for as long as it takes enough: its connection sees to that.
        at = now + idle if idle and (self._uploading or not self._clogged) else 0.0
        if limit and not self._uploading:
            late = self._counting_from + limit
            at = late if not at or late < at else at
        if longest and (not at or exchange.started + longest < at):
            at = exchange.started + longest
        return at

    def _touch(self) -> None:
        deadline = self._deadline(self._finish.now())
        if self._connection is not None:
            self._connection.deadline = deadline
        else:
            self.deadline = deadline

    # -- connecting and sending

    def _connect(self) -> None:
        self._touch()
        self._finish.sweep.add(self)
        connecting = self._connecting = self._endpoint.connect()
        connecting.addCallbacks(self._connected, self._unreachable)
        connecting.addErrback(self._failed)

    def _connection_made(self) -> None:
        self._connecting = None
        self._finish.sweep.discard(self)

    def _connected(self, connection: UpstreamConnection) -> None:
        self._connection_made()
        connection.watch(self._finish.sweep)
        if self._over:
            connection.close()
        else:
            self._send(connection)

    def _unreachable(self, failure: Failure) -> None:
        self._connection_made()
        if not self._over:
            self._give_up(failures.of_connect_failure(failure))

    def _failed(self, failure: Failure) -> None:
        """Something of ours failed: the exchange is not left without an answer."""
        exchange = self.exchange
        log.failure("forwarding failed", failure, request_id=exchange.request.id)
        # That this conversation is over does not say that the client was answered.
        if exchange.answered or exchange.gone:
            return
        self._end()
        self._drop_connection()
        try:
            self._finish.internal_error(exchange)
        except Exception:
            log.failure("a failed request could not be answered", request_id=exchange.request.id)
            exchange.reset()

    def _give_up(self, failed: Failed) -> None:
        """It ends here, with that for an answer if none has begun."""
        self._end()
        self._drop_connection()
        try:
            self._finish.failed(self.exchange, failed)
        except Exception:
            self._failed(Failure())

    def _send(self, connection: UpstreamConnection) -> None:
        self._connection = connection
        exchange = self.exchange
        connection.send(
            self,
            self._head,
            self._deadline(exchange.started),
            no_body=exchange.request[1] == "HEAD",
            more=self._uploading,
            switching=self._upgrade or exchange.request.head.by_connection,
        )
        if self._uploading:
            connection.throttle(cast(IPushProducer, exchange))  # as a producer it is the body's flow
            exchange.read_body()

    # -- the request's body

    def body_data(self, data: bytes) -> None:
        connection = self._connection
        if connection is not None and connection.alive:
            self._touch()
            connection.write(encode_chunk(data) if self.exchange.request.head.chunked else data)
            # To ask costs a system call: not for bodies of one piece, nearly all that there are.
            if self._left or not self.exchange.body_done:
                self._left = self._untaken()

    def body_end(self) -> None:
        connection = self._connection
        self._uploading = False
        if connection is not None and connection.alive:
            if self.exchange.request.head.chunked:
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
        exchange = self.exchange
        self._answered = True
        if end:
            if self._uploading:
                self._answer_over()
            else:
                self._over = True
                self._connection = None
            self._finish.upstream_head(exchange, head, data, end=True)
            return
        self._touch()
        self._throttling = True
        self._head = b""  # once an answer has begun, nothing is sent again
        self._finish.upstream_head(exchange, head, data, end=False)
        exchange.throttle(self)
        if head.event_stream and not self._over:
            self._lasting = True
            exchange.forget()
            self._finish.lasting.add(self)

    def answer_data(self, data: bytes) -> None:
        if not self._over:
            self._touch()
        self.exchange.send_data(data)
        if self._clogged:
            self._left = self._untaken()

    def answer_interim(self) -> None:
        self._touch()

    def answer_end(self, data: bytes, trailers: bytes) -> None:
        self._answer_over()
        if data:
            self.exchange.send_data(data)
        self.exchange.send_end(trailers)

    def _answer_over(self) -> None:
        connection, self._connection = self._connection, None
        if self._uploading and connection is not None:
            # The upstream answered without waiting for the rest of the body.
            connection.abort()
        self._end()

    def answer_switched(self, block: bytes, head: ResponseHead, data: bytes) -> bool:
        exchange, connection, finish = self.exchange, self._connection, self._finish
        plan = exchange.plan
        if not accepted(exchange.request, block) or connection is None or plan is None:
            return False
        self._connection = None
        self._end()
        exchange.details = "via_upstream"
        # What was made for the way up is kept for requests to come: there will be none (1 KB).
        exchange.request.head.memo.clear()
        tunnel = Tunnel(exchange, finish.sweep, finish.now, finish.tunnel_over)
        # What is being read may itself end one of them.
        upstream = connection.detach(tunnel.upstream)
        client = exchange.detach(tunnel.client, 101)
        if data:
            tunnel.upstream.data_received(data)
        finish.lasting.add(tunnel)
        tunnel.open(client, upstream, switching(exchange.request, head.lines))
        return True

    def answer_failed(self, failed: Failed, *, untouched: bool) -> None:
        connection, self._connection = self._connection, None
        if untouched and connection is not None and connection.used > 1 and self._repeatable():
            # It was closing as we took it: nothing says that this request was seen (RFC 9112 §9.3.1).
            self._connect()
            return
        self._give_up(failed)

    def _repeatable(self) -> bool:
        """Whether the request may be sent again on a new connection: safe, and still at hand in full."""
        request = self.exchange.request
        return request.method in _REPEATABLE and not (request.head.content_length or request.head.chunked)

    def expired(self, now: float) -> None:
        """The sweep found the deadline passed, of this or of its connection."""
        complete = not self._uploading
        timeout = self.exchange.plan.route.timeout  # type: ignore[union-attr]  # the route step ran
        longest = self.exchange.generation.timeouts.stream
        if longest and self.exchange.started + longest <= now:
            failed = failures.too_long(request_complete=complete)
        elif timeout and complete and self._counting_from + timeout <= now:
            failed = failures.TIMEOUT
        elif self._is_taken():
            self._touch()
            return
        else:
            failed = failures.idle(request_complete=complete or not self._waits_for_body())
        self._give_up(failed)

    def _untaken(self) -> int:
        """Bytes that the upstream has yet to take, and the client while it reads slowly."""
        waiting = 0 if self._connection is None else unsent(self._connection.transport)
        return waiting + self.exchange.unsent() if self._clogged else waiting

    def _is_taken(self) -> bool:
        """Whether somebody took of what was written before, though nothing came: buffers hold megabytes."""
        before, self._left = self._left, self._untaken()
        return self._left < before

    def _waits_for_body(self) -> bool:
        """Whether it is the client that has to go on: the upstream is there, and took what came until now."""
        connection = self._connection
        return connection is not None and not unsent(connection.transport)

    # -- the flow of the answer

    def pauseProducing(self) -> None:
        if self._connection is not None:
            self._connection.pauseProducing()
            self._turn(clogged=True)

    def resumeProducing(self) -> None:
        if self._connection is not None:
            self._connection.resumeProducing()
            self._turn(clogged=False)

    def _turn(self, *, clogged: bool) -> None:
        """From now on something else has to move."""
        self._clogged = clogged
        self._left = self._untaken()
        self._touch()

    def stopProducing(self) -> None:
        """The client is lost, which :meth:`exchange_lost` is told as well."""

    def _end(self) -> None:
        self._over = True
        if self._connecting is not None:
            self._finish.sweep.discard(self)
        if self._lasting:
            self._lasting = False
            self._finish.lasting.discard(self)
        if self._throttling:
            self._throttling = False
            self.exchange.unthrottle()

    def close(self, details: str) -> None:
        """What was allowed when it began is no longer (DESIGN §7.7)."""
        self._end()
        self._drop_connection()
        self.exchange.details = details
        self.exchange.reset()
