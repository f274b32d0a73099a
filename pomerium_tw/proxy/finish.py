"""Where every answer leaves, proxied or ours: response headers, request id, access log."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from email.utils import formatdate
from functools import cache
from typing import TYPE_CHECKING

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from ..model import Reply
from ..pages import ErrorFacts, bare_reply, local_reply, status_text, texts
from .exchange import IExchange
from .failures import Failed
from .longlived import LongLived
from .response import ResponseHead
from .sweep import Sweep

if TYPE_CHECKING:
    from .tunnel import Tunnel

log = Logger("pomerium.proxy")


@cache
def status_line(status: int) -> bytes:
    """Code and reason phrase of an answer of our own."""
    return f"{status} {status_text(status)}".encode("ascii")


class Finish:
    """Writes answers. One for all exchanges: it keeps nothing of any of them."""

    def __init__(self, clock: IReactorTime, sweep: Sweep, lasting: LongLived) -> None:
        """``lasting``: where exchanges register that outlive the moment they were decided in."""
        self.now: Callable[[], float] = clock.seconds
        self.sweep = sweep
        self.lasting = lasting
        self._date_second = -1
        self._date = b""

    # -- answers from upstream

    def upstream_head(self, exchange: IExchange, head: ResponseHead, data: bytes, *, end: bool) -> None:
        """Send an upstream's head on, with our headers written over its own."""
        exchange.details = "via_upstream"
        lines = head.lines if head.dated else b"Date: %b\r\n%b" % (self.date(), head.lines)
        unsized = head.length is None and head.status not in (204, 304) and exchange.request[1] != "HEAD"
        exchange.send_head(head.status, head.status_line, lines, chunked=unsized, data=data, end=end)

    # -- answers of our own

    def reply(self, exchange: IExchange, reply: Reply, details: str) -> None:
        """Send a whole answer of our own."""
        exchange.details = details
        length = b"Content-Length: %d\r\n" % len(reply.body) if reply.status not in (204, 304) else b""
        exchange.send_head(
            reply.status,
            status_line(reply.status),
            length + self.own_lines(exchange, reply.headers),
            chunked=False,
            data=reply.body,
            end=True,
        )

    def own_lines(self, exchange: IExchange, headers: Iterable[tuple[bytes, bytes]]) -> bytes:
        """The lines of an answer that we make: Date, and ``headers`` with the configured ones over them."""
        plan = exchange.plan
        configured = exchange.generation.response_headers if plan is None else plan.response_headers
        return b"Date: %b\r\n%b" % (self.date(), configured.over(headers))

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
            self.reply(exchange, _told(texts.internal(), exchange), "internal_error")

    def tunnel_over(self, tunnel: Tunnel) -> None:
        """Both connections of a tunnel are lost."""
        self.lasting.discard(tunnel)
        tunnel.exchange.over()

    def failed(self, exchange: IExchange, failed: Failed) -> None:
        """The answer will not come, or not to its end (spec/proxy §3.10, DESIGN §7.15)."""
        exchange.flag = failed.flag
        if failed.error:
            _tell(exchange, failed)
        if exchange.status:
            exchange.details = failed.late
            exchange.reset()
        else:
            self.reply(exchange, _told(failed.facts, exchange), failed.details)


def _told(facts: ErrorFacts, exchange: IExchange) -> Reply:
    """What the client is told: in bare words where the form that it asks for cannot be made."""
    try:
        return local_reply(facts, exchange.request)
    except Exception:
        log.failure("an error page could not be made", request_id=exchange.request.id)
        return bare_reply(facts.status, facts.message)


def _tell(exchange: IExchange, failed: Failed) -> None:
    """Tell the operator what the client is not told. No client may warn, or in an upstream's name."""
    facts = {"details": failed.details, "error": failed.error, "request_id": exchange.request.id}
    if failed.of_client:
        log.info("refused: {details}: {error}", **facts)
    else:
        log.warn("upstream {cluster}: {details}: {error}", cluster=exchange.cluster_name, **facts)
