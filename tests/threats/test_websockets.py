"""Rows WS of the threat table, and what else concerns upgrades: SM-24, SM-25, SS-04, SE-08.

Over real sockets, but where time has to pass.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha1
from typing import Any

import pytest
from pytest_twisted import ensureDeferred
from twisted.internet import reactor
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.internet.protocol import Factory
from zope.interface import directlyProvides, implementer

from tests.doors import (
    NOBODY,
    PUBLIC,
    SIGNED_IN,
    Caller,
    Guarded,
    OnLoopback,
    UpstreamSide,
    Wire,
    guarded,
    read_answers,
    wait,
)

KEY = b"dGhlIHNhbXBsZSBub25jZQ=="
ACCEPT = b64encode(sha1(KEY + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11", usedforsecurity=False).digest())
WEBSOCKET = (
    b"Connection: Upgrade",
    b"Upgrade: websocket",
    b"Sec-WebSocket-Key: " + KEY,
    b"Sec-WebSocket-Version: 13",
)
SWITCHED = (
    b"HTTP/1.1 101 Switching Protocols\r\n"
    b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: " + ACCEPT + b"\r\n\r\n"
)
FRAME = b"\x81\x85\x00\x00\x00\x00hello"
AFTER = b"GET /after HTTP/1.1\r\nHost: sockets\r\n\r\n"


def sockets(host: str, policy: str = PUBLIC, **fields: Any) -> Guarded:
    options = {"upgrades": frozenset({"websocket", "foo/1"}), "timeout": 0.0, "idle_timeout": 0.0}
    return guarded(host, policy, **options | fields)


ELSEWHERE = Guarded(replace(sockets("members").route, id="members, elsewhere"), SIGNED_IN)
"""The id of a route stands for its addresses."""


def handshake(
    host: bytes, *more: bytes, lines: tuple[bytes, ...] = WEBSOCKET, method: bytes = b"GET"
) -> bytes:
    return b"\r\n".join([method + b" /ws HTTP/1.1", b"Host: " + host, *lines, *more, b"", b""])


@pytest.fixture(scope="module")
def routes() -> tuple[Guarded, ...]:
    return (
        sockets("sockets"),
        sockets("members", SIGNED_IN),
        sockets("nobody", NOBODY),
        sockets("shared", websocket_origins=("https://friend.test",)),
        sockets("anyone", websocket_origins=("*",)),
        guarded("plain"),
    )


@pytest.fixture
def door(opened: Any, routes: tuple[Guarded, ...]) -> Iterator[OnLoopback]:
    place: OnLoopback = opened(*routes)
    place.upstream.script["/ws"] = SWITCHED
    yield place
    for caller in place.callers:
        caller.hang_up()


async def switched(place: OnLoopback, sent: bytes) -> tuple[Any, UpstreamSide]:
    """A client with an open tunnel, and the upstream's side of it."""
    caller = await place.call(sent)
    await caller.until(lambda: b"\r\n\r\n" in caller.received)
    assert caller.received.startswith(b"HTTP/1.1 101 ")
    return caller, place.upstream.connections[-1]


async def arrived(side: UpstreamSide, end: bytes) -> None:
    """Returns once the upstream has seen bytes that end so."""
    for _ in range(1000):
        if side.seen.endswith(end):
            return
        await wait(0.005)
    raise AssertionError(side.seen)


@ensureDeferred
async def test_a_good_handshake_opens_a_tunnel(door: OnLoopback) -> None:
    caller, side = await switched(door, handshake(b"sockets"))
    head = caller.received
    for line in (b"Sec-WebSocket-Accept: " + ACCEPT, b"Connection: Upgrade", b"Upgrade: websocket"):
        assert head.count(line + b"\r\n") == 1
    assert b"\r\nX-Request-Id: " in head
    for line in WEBSOCKET:
        assert side.seen.count(line + b"\r\n") == 1
    caller.send(FRAME)
    await arrived(side, FRAME)
    side.send(b"\x81\x03\xff\x00\r")
    await caller.until(lambda: caller.received.endswith(b"\x81\x03\xff\x00\r"))
    side.hang_up()
    await caller.until(lambda: caller.closed)
    lines = await logged(door)
    assert [(line["response-code"], line["size"], line["response-code-details"]) for line in lines] == [
        (101, 5, "via_upstream")
    ]


async def logged(place: OnLoopback) -> list[dict[str, Any]]:
    """The access log, once it has a line."""
    caller = await place.call(b"GET /ping HTTP/1.1\r\nHost: plain\r\nConnection: close\r\n\r\n")
    await caller.end()
    return [line for line in place.door.access_log() if line.get("path") == "/ws"]


# -- who may


@pytest.mark.parametrize(
    ("host", "lines", "status"),
    [
        pytest.param(b"members", (), 401, id="no cookie"),
        pytest.param(b"members", (b"Cookie: _pomerium=expired",), 401, id="bad cookie"),
        pytest.param(b"nobody", (), 403, id="denied"),
        pytest.param(b"members", (b"Accept: text/html",), 401, id="browser"),
    ],
)
@ensureDeferred
async def test_ws_01_without_a_session_nothing_reaches_the_upstream(
    door: OnLoopback, host: bytes, lines: tuple[bytes, ...], status: int
) -> None:
    caller = await door.call(handshake(host, *lines) + FRAME)
    assert (await caller.answer()).status == status
    assert door.upstream.seen == b""


@pytest.mark.parametrize(
    ("host", "origin", "status"),
    [
        (b"members", b"https://evil", 403),
        (b"members", b"null", 403),
        (b"members", b"https://members.evil", 403),
        (b"members", b"https://friend.test", 403),
        (b"shared", b"https://evil", 403),
        (b"members", b"https://members", 101),
        (b"members", b"http://members", 101),  # the listener of these tests is one for plain HTTP
        (b"members", None, 101),
        (b"shared", b"https://friend.test", 101),
        (b"anyone", b"https://evil", 101),
    ],
)
@ensureDeferred
async def test_ws_02_a_page_of_another_origin_opens_nothing(
    door: OnLoopback, host: bytes, origin: bytes | None, status: int
) -> None:
    cookie = b"Cookie: " + door.door.sign_in(host.decode()).encode()
    lines = () if origin is None else (b"Origin: " + origin,)
    caller = await door.call(handshake(host, cookie, *lines))
    await caller.until(lambda: b"\r\n\r\n" in caller.received)
    assert caller.received.startswith(b"HTTP/1.1 %d " % status)
    assert bool(door.upstream.seen) is (status == 101)


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(handshake(b"plain"), id="websocket"),
        pytest.param(
            handshake(b"sockets", lines=(b"Connection: Upgrade", b"Upgrade: SPDY/3.1"), method=b"POST"),
            id="spdy",
        ),
        pytest.param(handshake(b"sockets", lines=(b"Connection: Upgrade", b"Upgrade: TLS/1.0")), id="tls"),
    ],
)
@ensureDeferred
async def test_ws_03_what_the_route_does_not_allow_is_answered_at_once(door: OnLoopback, sent: bytes) -> None:
    caller = await door.call(sent)
    assert (await caller.answer()).status == 403
    assert door.upstream.seen == b""


def _without(name: bytes, *instead: bytes) -> tuple[bytes, ...]:
    return (*(line for line in WEBSOCKET if not line.startswith(name + b":")), *instead)


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(handshake(b"sockets", lines=_without(b"Sec-WebSocket-Key")), id="no key"),
        pytest.param(
            handshake(b"sockets", lines=_without(b"Sec-WebSocket-Key", b"Sec-WebSocket-Key: eA==")),
            id="short key",
        ),
        pytest.param(
            handshake(b"sockets", lines=_without(b"Sec-WebSocket-Version", b"Sec-WebSocket-Version: 7")),
            id="version 7",
        ),
        pytest.param(
            handshake(b"sockets", lines=_without(b"Connection", b"Connection: upgrade, close")), id="close"
        ),
        pytest.param(handshake(b"sockets", b"Upgrade: foo/1"), id="two Upgrade lines"),
        pytest.param(
            handshake(b"sockets", lines=_without(b"Upgrade", b"Upgrade: websocket, foo/1")), id="two values"
        ),
        pytest.param(handshake(b"sockets", b"Content-Length: 5") + b"hello", id="body"),
        pytest.param(handshake(b"sockets", b"Transfer-Encoding: chunked") + b"0\r\n\r\n", id="chunked"),
        pytest.param(handshake(b"sockets", method=b"POST"), id="method"),
    ],
)
@ensureDeferred
async def test_ws_04_a_bad_handshake_is_refused(door: OnLoopback, sent: bytes) -> None:
    caller = await door.call(sent)
    assert (await caller.answer()).status == 400
    assert door.upstream.seen == b""


# -- an upstream that lies


def _switch(*lines: bytes) -> bytes:
    return b"\r\n".join([b"HTTP/1.1 101 Switching Protocols", *lines, b"", b""])


_UPGRADED = (b"Connection: Upgrade", b"Upgrade: websocket")


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(_switch(*_UPGRADED), id="no accept"),
        pytest.param(_switch(*_UPGRADED, b"Sec-WebSocket-Accept: " + KEY), id="wrong accept"),
        pytest.param(_switch(b"Sec-WebSocket-Accept: " + ACCEPT), id="no upgrade"),
        pytest.param(
            _switch(b"Connection: Upgrade", b"Upgrade: foo/1", b"Sec-WebSocket-Accept: " + ACCEPT),
            id="other protocol",
        ),
        pytest.param(
            _switch(*_UPGRADED, b"Sec-WebSocket-Accept: " + ACCEPT, b"Content-Length: 5") + b"hello",
            id="length",
        ),
        pytest.param(_switch(*_UPGRADED, b"Sec-WebSocket-Accept: " + ACCEPT, b"X: a\x00b"), id="malformed"),
    ],
)
@ensureDeferred
async def test_ws_05_an_upstream_that_does_not_grant_what_was_asked_is_502(
    door: OnLoopback, answer: bytes
) -> None:
    door.upstream.script["/ws"] = answer
    caller = await door.call(handshake(b"sockets"))
    assert (await caller.answer()).status == 502
    caller.send(AFTER)
    assert (await caller.answers(2))[1].status == 200
    assert b"/after" not in door.upstream.connections[0].seen


@ensureDeferred
async def test_ws_05_a_switch_that_nobody_asked_for_is_502(door: OnLoopback) -> None:
    caller = await door.call(b"GET /ws HTTP/1.1\r\nHost: sockets\r\n\r\n" + AFTER)
    answers = await caller.answers(2)
    assert [answer.status for answer in answers] == [502, 200]
    assert b"/after" not in door.upstream.connections[0].seen


@ensureDeferred
async def test_ws_05_bytes_after_the_heads_are_forwarded_exactly(door: OnLoopback) -> None:
    surplus = b"\x82\x7e\x00\xff\r\n\r\nHTTP/1.1 200 OK\r\n\r\n" + bytes(range(256))
    door.upstream.script["/ws"] = SWITCHED + surplus
    early = b"\x82\x80GET /smuggled HTTP/1.1\r\nHost: nobody\r\n" + bytes(range(256))
    caller = await door.call(handshake(b"sockets") + early)
    await caller.until(lambda: caller.received.endswith(surplus))
    assert caller.received.partition(b"\r\n\r\n")[2] == surplus
    caller.send(FRAME)
    side = door.upstream.connections[0]
    await arrived(side, FRAME)
    assert side.seen.partition(b"\r\n\r\n")[2] == early + FRAME


# -- revoked


class Sockets(Wire):
    """One open websocket of a signed-in caller and one of nobody, in memory."""

    def __init__(self) -> None:
        super().__init__([sockets("members", SIGNED_IN), sockets("sockets")])
        self.cookie = b"Cookie: " + self.door.sign_in("members").encode()
        self.send(handshake(b"members", self.cookie))
        self.answer(SWITCHED)
        self.mine, self.behind_mine = self.pipe, self.upstreams[-1][1]
        self.open()
        self.send(handshake(b"sockets"))
        assert self.answer(SWITCHED).startswith(b"HTTP/1.1 101 ")


def test_ws_06_a_new_configuration_closes_whom_it_denies_within_5_seconds() -> None:
    wire = Sockets()
    wire.door.reload([sockets("members", NOBODY), sockets("sockets")])
    wire.pass_time(5)
    assert (wire.mine.lost, wire.behind_mine.lost) == (
        "aborted",
        "aborted",
    )  # after the FIN, which went unread
    assert wire.pipe.lost == ""
    wire.upstreams[-1][0].dataReceived(FRAME)
    assert wire.pipe.take() == FRAME


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param(sockets("members", SIGNED_IN, upgrades=frozenset()), id="no websockets any more"),
        pytest.param(sockets("others", SIGNED_IN), id="no such route"),
        pytest.param(ELSEWHERE, id="leads elsewhere"),
    ],
)
def test_ws_06_a_route_that_is_another_closes_it(changed: Guarded) -> None:
    wire = Sockets()
    wire.door.reload([changed, sockets("sockets")])
    wire.pass_time(1)
    assert wire.mine.lost
    assert wire.pipe.lost == ""


def test_ws_06_se_08_signing_out_closes_the_sockets_of_the_session() -> None:
    wire = Sockets()
    wire.door.sign_out()
    wire.pass_time(5)
    assert wire.mine.lost
    assert wire.pipe.lost == ""
    wire.open()
    assert wire.send(handshake(b"members", wire.cookie)).startswith(b"HTTP/1.1 401 ")


def test_ws_06_a_session_that_runs_out_takes_its_sockets_with_it() -> None:
    wire = Sockets()
    wire.pass_time(3590)
    assert wire.mine.lost == ""
    wire.pass_time(90)
    assert wire.mine.lost
    assert wire.pipe.lost == ""


# -- memory


def test_ws_07_a_client_that_reads_nothing_for_a_minute_holds_back_the_upstream() -> None:
    wire = Wire([sockets("sockets")])
    wire.send(handshake(b"sockets"))
    wire.answer(SWITCHED)
    upstream, behind = wire.upstreams[0]
    producer: Any = wire.pipe.producer
    upstream.dataReceived(bytes(256 * 1024))
    producer.pauseProducing()
    assert not behind.reading
    wire.pass_time(60)
    assert not behind.reading
    assert (wire.pipe.lost, behind.lost) == ("", "")
    producer.resumeProducing()
    assert behind.reading
    # The other way the same.
    producer = behind.producer
    producer.pauseProducing()
    assert not wire.pipe.reading
    producer.resumeProducing()
    assert wire.pipe.reading


@implementer(IHalfCloseableProtocol)
class Listening(Caller):
    """A client that hears the upstream finish, and can go on sending."""

    finished = False

    def readConnectionLost(self) -> None:
        self.finished = True
        self._look()

    def writeConnectionLost(self) -> None:
        """Twisted's interface asks for it."""


async def listening(place: OnLoopback) -> tuple[Listening, UpstreamSide]:
    """As :func:`switched`."""
    endpoint = TCP4ClientEndpoint(reactor, "127.0.0.1", place.port)
    caller: Listening = await endpoint.connect(Factory.forProtocol(Listening))
    place.callers.append(caller)
    caller.send(handshake(b"sockets"))
    await caller.until(lambda: b"\r\n\r\n" in caller.received)
    return caller, place.upstream.connections[-1]


def finish(protocol: Any) -> None:
    protocol.transport.loseWriteConnection()


@ensureDeferred
async def test_ws_07_the_client_hears_the_upstream_out_after_it_has_finished(door: OnLoopback) -> None:
    caller, side = await listening(door)

    def answer() -> None:
        side.send(FRAME * 100_000)
        side.hang_up()

    side.readConnectionLost = answer  # type: ignore[attr-defined]
    directlyProvides(side, IHalfCloseableProtocol)
    finish(caller)
    await caller.until(lambda: caller.finished)
    assert len(caller.received.partition(b"\r\n\r\n")[2]) == len(FRAME) * 100_000


@ensureDeferred
async def test_ws_07_the_upstream_hears_the_client_out_after_it_has_finished(door: OnLoopback) -> None:
    caller, side = await listening(door)
    side.send(FRAME)
    finish(side)
    await caller.until(lambda: caller.finished)
    assert caller.received.endswith(FRAME)
    caller.send(b"x" * 800_000 + b"last")
    await arrived(side, b"last")
    assert len(side.seen.partition(b"\r\n\r\n")[2]) == 800_004


def test_a_proxy_that_stops_does_not_wait_for_websockets() -> None:
    wire = Wire([sockets("sockets")])
    wire.send(handshake(b"sockets"))
    wire.answer(SWITCHED)
    stopped = wire.door.listener.drain()
    assert (wire.pipe.lost, wire.upstreams[0][1].lost) == ("closed", "closed")
    wire.client_closes()
    wire.upstream_closes()
    assert stopped.called
    assert [line["response-code-details"] for line in wire.log] == ["shutdown"]


# -- no tunnel


@pytest.mark.parametrize(
    "answer", [b"HTTP/1.1 200 OK", b"HTTP/1.1 400 Bad Request", b"HTTP/1.1 426 Upgrade Required"]
)
@ensureDeferred
async def test_sm_24_ss_04_an_upstream_that_answers_plainly_gets_no_tunnel_and_no_further_request(
    door: OnLoopback, answer: bytes
) -> None:
    door.upstream.script["/ws"] = answer + b"\r\nUpgrade: websocket\r\nContent-Length: 2\r\n\r\nhi"
    caller = await door.call(handshake(b"sockets"))
    first = await caller.answer()
    assert (first.status, first.body) == (int(answer.split()[1]), b"hi")
    assert first.header("Upgrade") is None
    caller.send(AFTER)
    assert (await caller.answers(2))[1].status == 200
    asked, after = door.upstream.connections
    assert b"/after" not in asked.seen
    assert b"/after" in after.seen


@ensureDeferred
async def test_sm_24_an_answer_that_was_seen_before_is_no_better(door: OnLoopback) -> None:
    plain = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
    door.upstream.script |= {"/ws": plain, "/before": plain}
    caller = await door.call(AFTER.replace(b"/after", b"/before"))
    await caller.answer()
    caller.send(handshake(b"sockets"))
    await caller.answers(2)
    caller.send(AFTER)
    await caller.answers(3)
    asked, after = door.upstream.connections
    assert (b"/before" in asked.seen, b"/ws" in asked.seen, b"/after" in asked.seen) == (True, True, False)
    assert b"/after" in after.seen


@ensureDeferred
async def test_sm_24_what_the_client_sent_early_is_read_as_http(door: OnLoopback) -> None:
    door.upstream.script["/ws"] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
    smuggled = b"GET /smuggled HTTP/1.1\r\nHost: nobody\r\n\r\n"
    caller = await door.call(handshake(b"sockets") + smuggled)
    assert [answer.status for answer in await caller.answers(2)] == [200, 403]
    caller.send(FRAME + b"\r\n\r\n")
    assert [answer.status for answer in read_answers(await caller.end())] == [200, 403, 400]
    assert b"smuggled" not in door.upstream.seen
    assert b"hello" not in door.upstream.seen


@pytest.mark.parametrize("connection", [b"Upgrade, HTTP2-Settings", b"Upgrade", b"HTTP2-Settings, upgrade"])
@ensureDeferred
async def test_sm_25_h2c_is_never_taken_up(door: OnLoopback, connection: bytes) -> None:
    lines = (b"Connection: " + connection, b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABkAAQAAP__")
    door.upstream.script["/ws"] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
    caller = await door.call(handshake(b"sockets", lines=lines))
    assert (await caller.answer()).status == 200
    seen = door.upstream.seen.lower()
    for word in (b"upgrade", b"http2-settings", b"h2c"):
        assert word not in seen
