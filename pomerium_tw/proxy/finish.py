"""Where every answer leaves, proxied or ours: response headers, request id, access log."""

from __future__ import annotations

from collections.abc import Callable
from email.utils import formatdate

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from ..model import Reply
from ..pages import ErrorFacts, internal_error, local_reply, status_text, texts
from .exchange import IExchange
from .response import ResponseHead
from .sweep import Sweep

log = Logger("pomerium.proxy")


def status_line(status: int) -> bytes:
    """Code and reason phrase of an answer of our own."""
    return f"{status} {status_text(status)}".encode("ascii")


class Finish:
    """Writes answers. One for all exchanges: it keeps nothing of any of them."""

    def __init__(self, clock: IReactorTime, sweep: Sweep) -> None:
        self.now: Callable[[], float] = clock.seconds
        self.sweep = sweep
        self._date_second = -1
        self._date = b""

    # -- answers from upstream

    def upstream_head(self, exchange: IExchange, head: ResponseHead, data: bytes, *, end: bool) -> None:
        """Send an upstream's head on, with our headers written over its own."""
        plan = exchange.plan
        exchange.details = "via_upstream"
        own = plan.response_lines if plan is not None else b""
        lines = head.lines + own + b"X-Request-Id: " + exchange.request.id.encode() + b"\r\n"
        chunked = head.length is None and head.status not in (204, 304) and exchange.request.method != "HEAD"
        exchange.send_head(head.status_line, lines, chunked=chunked, data=data, end=end)

    # -- answers of our own

    def reply(self, exchange: IExchange, reply: Reply, details: str) -> None:
        """Send a whole answer of our own."""
        exchange.details = details
        lines = [name + b": " + value + b"\r\n" for name, value in reply.headers]
        lines.append(b"Content-Length: %d\r\n" % len(reply.body) if reply.status not in (204, 304) else b"")
        lines.append(self.own_lines(exchange))
        exchange.send_head(
            status_line(reply.status), b"".join(lines), chunked=False, data=reply.body, end=True
        )

    def own_lines(self, exchange: IExchange) -> bytes:
        """Date, request id and the configured headers of an answer that we make."""
        plan = exchange.plan
        configured = plan.response_lines if plan is not None else exchange.generation.response_lines
        return b"Date: %b\r\n%bX-Request-Id: %b\r\n" % (self.date(), configured, exchange.request.id.encode())

    def date(self) -> bytes:
        second = int(self.now())
        if second != self._date_second:
            self._date_second = second
            self._date = formatdate(second, usegmt=True).encode()
        return self._date

    def internal_error(self, exchange: IExchange) -> None:
        """Something of ours failed: nothing is let through."""
        if exchange.status:
            exchange.details = "internal_error"
            exchange.reset()
        else:
            self.reply(exchange, internal_error(exchange.request), "internal_error")

    # -- upstream failures (spec/proxy §3.10, DESIGN §7.15)

    def upstream_unreachable(self, exchange: IExchange, error: str, cause: str) -> None:
        """``cause``: ``connection_failure``, ``connection_timeout`` or ``TLS_error``. ``error``: logged."""
        name, request_id = exchange.cluster_name, exchange.request.id
        log.warn(
            "upstream {cluster} cannot be reached: {error}", cluster=name, error=error, request_id=request_id
        )
        self._failure(
            exchange, texts.upstream_unreachable(f"upstream_reset_before_response_started{{{cause}}}")
        )

    def upstream_closed(self, exchange: IExchange) -> None:
        self._failure(exchange, texts.upstream_dropped())

    def upstream_malformed(self, exchange: IExchange, error: str) -> None:
        name, request_id = exchange.cluster_name, exchange.request.id
        log.warn(
            "upstream {cluster} does not speak HTTP: {error}",
            cluster=name,
            error=error,
            request_id=request_id,
        )
        self._failure(exchange, texts.upstream_malformed())

    def upstream_timeout(self, exchange: IExchange) -> None:
        self._failure(exchange, texts.upstream_timeout())

    def _failure(self, exchange: IExchange, facts: ErrorFacts) -> None:
        self.reply(exchange, local_reply(facts, exchange.request), facts.reason_text)
