"""A front door for tests: the real steps, listener and forwarding around a tiny policy and a store in memory.

:class:`Door` is the proxy, :class:`RawUpstream` what stands behind it and keeps every byte that it is sent,
and :class:`Caller` a client that sends what no well-behaved one would. They run over real sockets
(:func:`on_loopback`) or over :class:`Wire`, in memory and with a clock of the test's own.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

from twisted.internet import reactor
from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.error import ConnectError, ConnectionDone
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import Clock, deferLater
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.web.resource import IResource

from policy_grammar import parse_text
from pomerium_tw.authorize import Authorizer, ForwardedAssertions, UpstreamHeaders
from pomerium_tw.databroker import SESSION, USER, MemoryStore, Mirror, Record
from pomerium_tw.model import ANONYMOUS, Reply, Route, Secret, Upstream, redirect
from pomerium_tw.pages import OwnRequest, Page, PathTree, Probe
from pomerium_tw.policy import compile_policy
from pomerium_tw.proxy import (
    Again,
    AuthorizeStep,
    Chain,
    Cluster,
    ConfiguredHeaders,
    Endpoint,
    Finish,
    ForwardStep,
    Generation,
    HeadRules,
    IdentifyStep,
    Listener,
    LongLived,
    ResponseRules,
    RoutePlan,
    Router,
    RouteStep,
    Sweep,
    TargetRules,
    Timeouts,
    Trust,
    alias,
)
from pomerium_tw.session import CALLER_RECORDS, HandleCodec, Identities, SessionHandle, owned_cookie_pattern
from pomerium_tw.telemetry import DEFAULT_ACCESS_FIELDS, AccessLog, DecisionLog, LineWriter
from pomerium_tw.token import AssertionSigner, derive_signing_key
from pomerium_tw.transport import turn_end_of
from tests.logs import AtOnce

PUBLIC = 'policy "public" { allow or { accept } }'
NOBODY = 'policy "nobody" { deny or { accept } }'
SIGNED_IN = 'policy "signed in" { allow or { authenticated_user } }'

COOKIE = "_pomerium"
SOON = 5.0
"""Seconds within which things on loopback happen, or a test fails."""


@dataclass
class Guarded:
    """A route and its policy."""

    route: Route
    policy: str


def guarded(
    host: str, policy: str = PUBLIC, *, to: Sequence[tuple[str, int]] = (("up", 80),), **fields: Any
) -> Guarded:
    """A route from ``host`` to ``to`` (host and port each)."""
    name = f"{host}{fields.get('prefix', '')}"
    upstreams = tuple(Upstream("http", target, port, authority=f"{target}:{port}") for target, port in to)
    return Guarded(Route(id=name, name=name, host=host, port=None, upstreams=upstreams, **fields), policy)


class EchoForm(Page):
    """A page of ours that answers with the form that it was sent."""

    async def get(self, _request: OwnRequest) -> Reply:
        return Reply(200, ((b"Content-Type", b"text/plain"),), b"page")

    async def post(self, request: OwnRequest) -> Reply:
        return Reply(200, ((b"Content-Type", b"text/plain"),), request.parameter("text").encode())


@dataclass(frozen=True)
class Options:
    """What a configuration says besides its routes."""

    own: IResource | None = None
    claim_headers: dict[str, str] = field(default_factory=dict)
    underscores: Any = "reject_request"
    target_rules: TargetRules = field(default_factory=TargetRules)
    timeouts: Timeouts = field(default_factory=Timeouts)
    response_headers: dict[str, str] = field(default_factory=dict)
    trust: Trust = field(default_factory=lambda: Trust.of(0, (), append=True))
    access_fields: Sequence[str] = DEFAULT_ACCESS_FIELDS
    steps: Sequence[Any] = ()
    """They come before the usual ones."""


class Door:
    """The data path of one generation, and of those that a reload makes."""

    def __init__(
        self, routes: Sequence[Guarded], endpoint: Callable[[Upstream], Any], clock: Any, **options: Any
    ) -> None:
        """``options``: those of :class:`Options`."""
        self.clock = clock
        self._options = Options(**options)
        self._endpoint = endpoint
        self.lines: list[bytes] = []
        self.writer = LineWriter(AtOnce(-1, self._write), clock)
        self.sweep = Sweep(clock)
        self.lasting = LongLived(clock, lambda exchange: self.listener.generation.allows(exchange))
        self.finish = Finish(clock, self.sweep, self.lasting)
        self.store = MemoryStore(clock)
        self.mirror = Mirror(self.store, CALLER_RECORDS, clock)
        secret = Secret(b"s" * 32)
        self._codec = HandleCodec(secret)
        self._identities = Identities(self.mirror, self._codec, clock.seconds)
        self._identities.on_change(self.lasting.session_changed)
        self.signing_keys = derive_signing_key(secret)
        self.endpoints: list[Endpoint] = []
        self.generation = self._build(routes, 1)
        log = AccessLog(self.writer, self._options.access_fields)
        # The same ids each time: a test that looks for digits must not find them by chance.
        ids = Random(5).randbytes  # noqa: S311 - nobody guesses them
        self.listener = Listener(
            self.generation,
            self.finish,
            self.sweep,
            log,
            clock,
            "http",
            ids,
            at_turn_end=turn_end_of(clock),
        )

    def _build(self, routes: Sequence[Guarded], number: int) -> Generation:
        options = self._options
        policies = {each.route.id: compile_policy(parse_text(each.policy, "door.ppl")) for each in routes}
        plans = [RoutePlan(each.route, self._cluster(each.route)) for each in routes]
        router = Router(plans)
        authorizer = Authorizer(policies, DecisionLog(self.writer, enabled=False))
        return Generation(
            number=number,
            run=self._chain(router, authorizer, number).run,
            decide_again=Again(router, self._identities, authorizer, lambda _host: COOKIE).allows,
            head_rules=HeadRules(
                own_cookies=owned_cookie_pattern(COOKIE),
                owned_names=frozenset(alias(name.encode()) for name in options.claim_headers),
                underscores=options.underscores,
            ),
            target_rules=options.target_rules,
            timeouts=options.timeouts,
            response_headers=ConfiguredHeaders(options.response_headers),
            trust=options.trust,
            clusters=tuple(plan.cluster for plan in plans if plan.cluster is not None),
        )

    def _chain(self, router: Router, authorizer: Authorizer, number: int) -> Chain:
        options, now = self._options, self.clock.seconds
        tree = options.own or PathTree({"/ping": Probe(), "/.pomerium/form": EchoForm()})
        slashes = options.target_rules.escaped_slashes
        steps = [
            *options.steps,
            RouteStep(router, tree, {}, lambda _request, _idp: ANONYMOUS, slashes),
            IdentifyStep(self._identities, self.mirror, lambda _host: COOKIE),
            AuthorizeStep(
                authorizer,
                lambda _request, _idp: redirect("https://authenticate.test/"),
                lambda _request, _idp: "https://authenticate.test/",
            ),
            ForwardStep(
                UpstreamHeaders(
                    AssertionSigner(self.signing_keys, now, lambda: "assertion-id"),
                    options.claim_headers,
                    now,
                    number,
                    forwarded=ForwardedAssertions(self.signing_keys, now),
                )
            ),
        ]
        return Chain(steps, self.finish)

    def reload(self, routes: Sequence[Guarded], **options: Any) -> None:
        """A newer configuration, of other routes and changed :class:`Options`."""
        self._options = replace(self._options, **options)
        self.generation.close()
        self.generation = self.listener.generation = self._build(routes, self.generation.number + 1)
        self.lasting.all_changed()

    def _write(self, _fd: int, data: bytes) -> int:
        self.lines += data.splitlines()
        return len(data)

    def _cluster(self, route: Route) -> Cluster | None:
        if not route.upstreams:
            return None
        rules = ResponseRules.of(route, owned_cookie_pattern(COOKIE))
        endpoints = [Endpoint(upstream, self._endpoint(upstream), rules) for upstream in route.upstreams]
        self.endpoints += endpoints
        return Cluster(route.name, endpoints)

    def start(self) -> None:
        self.store.start()
        self.mirror.start()
        self.sweep.start()
        self.lasting.start()

    def stop(self) -> None:
        self.lasting.stop()
        self.sweep.stop()
        self.generation.close()
        self.mirror.stop()
        self.store.stop()
        self.writer.flush()

    def access_log(self) -> list[dict[str, Any]]:
        """The lines of finished exchanges."""
        self.writer.flush()
        return [json.loads(line) for line in self.lines]

    def sign_in(self, host: str, email: str = "ann@example.com", **claims: Any) -> str:
        """A Cookie value that lets ``email`` into ``host``."""
        now = self.clock.seconds()
        flat = {name: [value] for name, value in claims.items()}
        session = {"user_id": email, "idp_id": "", "issued_at": now, "expires_at": now + 3600, "claims": flat}
        user = {"name": "Ann", "email": email}
        self.store.put([Record(USER, email, 0, user, now), Record(SESSION, "session", 0, session, now)])
        if isinstance(self.clock, Clock):
            self.clock.advance(0)
        handle = SessionHandle("session", email, (host,), "", int(now), 0)
        return f"{COOKIE}={self._codec.encode(handle)}"

    def sign_out(self) -> None:
        """The session of :meth:`sign_in` is gone."""
        now = self.clock.seconds()
        self.store.put([Record(SESSION, "session", 0, {}, now, deleted_at=now)])
        if isinstance(self.clock, Clock):
            self.clock.advance(0)


# -- over real sockets


@dataclass
class OnLoopback:
    """A door and an upstream that listen on 127.0.0.1."""

    door: Door
    upstream: RawUpstream
    port: int
    callers: list[Caller] = field(default_factory=list)

    async def call(self, data: bytes = b"") -> Caller:
        """A new connection that has sent ``data``."""
        connecting = TCP4ClientEndpoint(reactor, "127.0.0.1", self.port).connect(Factory.forProtocol(Caller))
        caller: Caller = await connecting
        self.callers.append(caller)
        if data:
            caller.send(data)
        return caller


class Caller(Protocol):
    """A raw client."""

    def __init__(self) -> None:
        self.received = b""
        self.closed = False
        self.reset = False
        self._waiting: list[tuple[Callable[[], bool], Deferred[None]]] = []

    def send(self, data: bytes) -> None:
        transport: Any = self.transport
        transport.write(data)

    def dataReceived(self, data: bytes) -> None:
        self.received += data
        self._look()

    def connectionLost(self, reason: Failure | None = None) -> None:
        self.closed = True
        self.reset = reason is not None and not reason.check(ConnectionDone)
        self._look()

    def _look(self) -> None:
        waiting, self._waiting = self._waiting, []
        for condition, waiter in waiting:
            if condition():
                waiter.callback(None)
            else:
                self._waiting.append((condition, waiter))

    async def until(self, condition: Callable[[], bool], seconds: float = SOON) -> None:
        """Returns once ``condition`` holds; raises TimeoutError."""
        if not condition():
            waiter: Deferred[None] = Deferred()
            self._waiting.append((condition, waiter))
            waiter.addTimeout(seconds, reactor)
            await waiter

    async def answers(self, count: int = 1, seconds: float = SOON) -> list[Answer]:
        """The first ``count`` final answers."""
        await self.until(lambda: len(read_answers(self.received)) >= count or self.closed, seconds)
        found = read_answers(self.received)
        assert len(found) >= count, self.received
        return found

    async def answer(self, seconds: float = SOON) -> Answer:
        return (await self.answers(1, seconds))[0]

    async def end(self, seconds: float = SOON) -> bytes:
        """Everything, once the other side has closed."""
        await self.until(lambda: self.closed, seconds)
        return self.received

    def hang_up(self) -> None:
        transport: Any = self.transport
        if transport is not None and not self.closed:
            transport.abortConnection()


@dataclass
class Answer:
    """One answer, read strictly enough to notice a broken one."""

    status: int
    head: bytes
    body: bytes

    def header(self, name: str) -> str | None:
        found = re.search(rb"^%b:[ \t]*([^\r\n]*)" % re.escape(name.encode()), self.head, re.I | re.M)
        return found[1].decode("latin-1") if found else None


def read_answers(data: bytes, *, heads_only: bool = False) -> list[Answer]:
    """The complete final answers in ``data``, interim ones left out. ``heads_only``: answers to HEAD."""
    found: list[Answer] = []
    while True:
        head, blank, rest = data.partition(b"\r\n\r\n")
        if not blank:
            return found
        status = int(head[9:12])
        body: bytes | None = b""
        length = re.search(rb"\r\ncontent-length:[ ]*([0-9]+)", head, re.I)
        if status >= 200 and status not in (204, 304) and not heads_only:
            if re.search(rb"\r\ntransfer-encoding:[ ]*chunked", head, re.I):
                body, rest = _chunked(rest)
            elif length:
                size = int(length[1])
                body, rest = (rest[:size], rest[size:]) if len(rest) >= size else (None, b"")
            else:
                body, rest = None, b""
        if body is None:
            return found
        if status >= 200:
            found.append(Answer(status, head + b"\r\n", body))
        data = rest


def _chunked(data: bytes) -> tuple[bytes | None, bytes]:
    body = b""
    while True:
        line, crlf, data = data.partition(b"\r\n")
        if not crlf:
            return None, b""
        size = int(line, 16)
        if len(data) < size + 2:
            return None, b""
        if not size:
            return body, data[2:]
        body, data = body + data[:size], data[size + 2 :]


class RawUpstream(Factory):
    """An upstream that keeps the bytes of every connection and of every request.

    It answers each request by :attr:`script` (path → the bytes to send, or what makes them of the request);
    otherwise with 200 and the request's own bytes.
    """

    noisy = False

    def __init__(self) -> None:
        self.requests: list[bytes] = []
        self.connections: list[UpstreamSide] = []
        self.script: dict[str, bytes | Callable[[UpstreamSide, bytes], None]] = {}

    def buildProtocol(self, addr: Any) -> UpstreamSide:
        side = UpstreamSide(self)
        self.connections.append(side)
        return side

    @property
    def seen(self) -> bytes:
        """Every byte that arrived."""
        return b"".join(side.seen for side in self.connections)

    def forget(self) -> None:
        self.requests.clear()
        self.script.clear()
        for side in self.connections:
            side.seen = b""
        self.connections = [side for side in self.connections if not side.closed]


class UpstreamSide(Protocol):
    """One connection of the upstream."""

    def __init__(self, upstream: RawUpstream) -> None:
        self._upstream = upstream
        self.seen = b""
        self._buffer = b""
        self.closed = False

    def dataReceived(self, data: bytes) -> None:
        self.seen += data
        self._buffer += data
        while (size := _request_size(self._buffer)) is not None:
            request, self._buffer = self._buffer[:size], self._buffer[size:]
            self._upstream.requests.append(request)
            self._answer(request)

    def _answer(self, request: bytes) -> None:
        path = request.split(b" ", 2)[1].decode("latin-1")
        scripted = self._upstream.script.get(path)
        if callable(scripted):
            scripted(self, request)
        elif scripted is not None:
            self.send(scripted)
        else:
            body = b"" if request.startswith(b"HEAD ") else request
            self.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(request), body))

    def send(self, data: bytes) -> None:
        transport: Any = self.transport
        transport.write(data)

    def hang_up(self) -> None:
        transport: Any = self.transport
        transport.loseConnection()

    def break_off(self) -> None:
        transport: Any = self.transport
        transport.abortConnection()

    def connectionLost(self, reason: Failure | None = None) -> None:
        self.closed = True


def _request_size(data: bytes) -> int | None:
    """Bytes of the first whole request; None while it is not complete."""
    head, blank, rest = data.partition(b"\r\n\r\n")
    if not blank:
        return None
    begun = len(head) + 4
    if re.search(rb"\r\ntransfer-encoding: chunked", head, re.I):
        body, after = _chunked(rest)
        return None if body is None else len(data) - len(after)
    length = re.search(rb"\r\ncontent-length: ([0-9]+)", head, re.I)
    size = begun + (int(length[1]) if length else 0)
    return size if len(data) >= size else None


def wait(seconds: float) -> Deferred[None]:
    """For the few tests that must see that nothing happens."""
    return deferLater(reactor, seconds)


def on_loopback(routes: Sequence[Guarded], **options: Any) -> tuple[OnLoopback, Callable[[], Any]]:
    """A door whose routes all lead to one :class:`RawUpstream`, and what closes both."""
    running: Any = reactor
    upstream = RawUpstream()
    behind = running.listenTCP(0, upstream, interface="127.0.0.1")
    target = TCP4ClientEndpoint(reactor, "127.0.0.1", behind.getHost().port)
    door = Door(routes, lambda _upstream: target, reactor, **options)
    door.start()
    front = running.listenTCP(0, door.listener, interface="127.0.0.1")
    place = OnLoopback(door, upstream, front.getHost().port)

    async def close() -> None:
        for caller in place.callers:
            caller.hang_up()
        door.stop()
        await front.stopListening()
        await behind.stopListening()
        for side in upstream.connections:
            if not side.closed:
                side.break_off()
        await wait(0.01)

    return place, close


# -- in memory


class Pipe(StringTransport):
    """A transport that remembers how it was used and can be told that its buffer is full."""

    def __init__(self) -> None:
        super().__init__(lenient=True)
        self.lost = ""
        """How this side ended it: "", "half", "closed" or "aborted"."""

    def getPeer(self) -> Any:
        return IPv4Address("TCP", "192.0.2.7", 4711)

    def loseConnection(self) -> None:
        self.lost = self.lost or "closed"

    def loseWriteConnection(self) -> None:
        self.lost = self.lost or "half"

    def abortConnection(self) -> None:
        self.lost = "aborted"

    @property
    def reading(self) -> bool:
        return self.producerState == "producing"

    def take(self) -> bytes:
        """What was written since the last time."""
        written: bytes = self.value()
        self.clear()
        return written


class Wire:
    """A client connection and the upstream connections behind it, all in memory."""

    def __init__(
        self, routes: Sequence[Guarded] | None = None, *, clock: Clock | None = None, **options: Any
    ) -> None:
        """``clock``: one that has turns makes what arrives in a turn wait for its end."""
        self.clock = clock or Clock()
        self.clock.advance(1_000_000)
        self.refuse = False
        self.slow = False
        """Connecting waits for :meth:`connect`."""
        self.dialled: list[tuple[Any, Deferred[Any]]] = []
        self.upstreams: list[tuple[Any, Pipe]] = []
        self.door = Door(routes or [guarded("a")], lambda _upstream: self, self.clock, **options)
        self.door.start()
        self.client: Any = None
        self.pipe = Pipe()
        self.open()

    def open(self) -> None:
        """A (further) client connection."""
        self.pipe = Pipe()
        self.client = self.door.listener.buildProtocol(None)
        self.client.makeConnection(self.pipe)

    # IStreamClientEndpoint
    def connect(self, factory: Any = None) -> Any:
        if factory is None:
            factory, waiting = self.dialled.pop(0)
            waiting.callback(self._made(factory))
            return None
        if self.refuse:
            return _failed(ConnectError())
        waiting = Deferred()
        if self.slow:
            self.dialled.append((factory, waiting))
        else:
            waiting.callback(self._made(factory))
        return waiting

    def _made(self, factory: Any) -> Any:
        protocol = factory.buildProtocol(None)
        pipe = Pipe()
        protocol.makeConnection(pipe)
        self.upstreams.append((protocol, pipe))
        return protocol

    # the dialogue
    def send(self, data: bytes) -> bytes:
        """The client sends; what it is sent back at once."""
        self.client.dataReceived(data)
        return self.pipe.take()

    def settle(self) -> bytes:
        """What else comes in the next turns of the reactor."""
        now = self.clock.seconds()
        while any(call.getTime() <= now for call in self.clock.getDelayedCalls()):
            self.clock.advance(0)
        return self.pipe.take()

    def upstream(self, index: int = -1) -> bytes:
        """What the upstream has been sent since the last time."""
        return self.upstreams[index][1].take()

    def answer(self, data: bytes, index: int = -1) -> bytes:
        """The upstream sends; what the client gets of it."""
        self.upstreams[index][0].dataReceived(data)
        return self.pipe.take()

    def upstream_closes(self, index: int = -1, reason: BaseException | None = None) -> bytes:
        self.upstreams[index][0].connectionLost(Failure(reason or ConnectionDone()))
        return self.pipe.take()

    def client_closes(self) -> None:
        self.client.connectionLost(Failure(ConnectionDone()))

    def pass_time(self, seconds: float) -> bytes:
        for _ in range(int(seconds)):
            self.clock.advance(1)
        return self.pipe.take()

    @property
    def log(self) -> list[dict[str, Any]]:
        return self.door.access_log()


def _failed(error: Exception) -> Deferred[Any]:
    failed: Deferred[Any] = Deferred()
    failed.errback(Failure(error))
    return failed
