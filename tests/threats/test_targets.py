"""Rows SS of the threat table: where we connect to is the configuration's choice, never a client's."""

from __future__ import annotations

import re
from ipaddress import ip_network
from typing import Any

import pytest
from pytest_twisted import ensureDeferred
from twisted.internet import reactor
from twisted.internet.address import IPv4Address
from twisted.internet.endpoints import HostnameEndpoint, TCP4ClientEndpoint
from twisted.internet.interfaces import IReactorPluggableNameResolver
from twisted.internet.testing import MemoryReactorClock
from zope.interface import directlyProvides, providedBy

from pomerium_tw.transport import GuardedReactor
from tests.doors import NOBODY, OnLoopback, Wire, guarded, read_answers

LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1/128"))


def row(name: str, *values: Any) -> Any:
    return pytest.param(*values, id=f"{name} {values[0]!r}")


@pytest.mark.parametrize(
    "host",
    [
        row("SS-01", b"169.254.169.254"),
        row("SS-01", b"[fd00:ec2::254]"),
        row("SS-01", b"metadata.google.internal"),
        row("SS-01", b"localhost"),
        row("SS-01", b"127.0.0.1"),
        row("SS-01", b"[::1]"),
        row("SS-01", b"up"),
        row("SS-01", b"up:80"),
        row("SS-01", b"unknown.example.com"),
        row("SS-01", b"a.unknown.example.com"),
    ],
)
def test_a_host_without_a_route_leads_nowhere(host: bytes) -> None:
    wire = Wire([guarded("a"), guarded("b", to=(("127.0.0.1", 8000),))])
    for path in (b"/", b"/latest/meta-data/", b"/.pomerium/x"):
        wire.open()
        assert [answer.status for answer in read_answers(wire.send(request(path, host)))] == [404]
    assert not wire.upstreams


def request(target: bytes, host: bytes = b"a", method: bytes = b"GET") -> bytes:
    return b"%b %b HTTP/1.1\r\nHost: %b\r\n\r\n" % (method, target, host)


@ensureDeferred
async def test_ss_01_the_upstreams_own_address_is_no_host(place: OnLoopback) -> None:
    target = place.door.endpoints[0].upstream
    for host in (b"127.0.0.1:%d" % place.port, f"{target.host}:{target.port}".encode()):
        caller = await place.call(request(b"/", host))
        assert (await caller.answer()).status == 404
    assert not place.upstream.connections


@pytest.mark.parametrize(
    ("target", "sent"),
    [
        row("SS-02", b"/@evil", b"/@evil"),
        row("SS-02", b"/:80@evil/", b"/:80@evil/"),
        row("SS-02", b"//evil/x", b"/evil/x"),
        row("SS-02", b"///evil/x", b"/evil/x"),
        row("SS-02", b"/..//evil/x", b"/evil/x"),
        row("SS-02", b"/http://evil/", b"/http:/evil/"),
        row("SS-02", b"http:evil", None),
        row("SS-02", b"http:/evil", None),
        row("SS-02", b"http://evil/", None),
        row("SS-02", b"http://a@evil/", None),
        row("SS-02", b"http://evil@a/", None),
        row("SS-02", b"evil/x", None),
        row("SS-02", b"@evil/", None),
        row("SS-02", b"/\\evil/", None),
        row("SS-02", b"\\\\evil/", None),
        row("SS-02", b"unix:/run/docker.sock|http://evil/", None),
    ],
)
@pytest.mark.parametrize(
    "options", [{}, {"prefix": "/", "prefix_rewrite": "/"}], ids=["as it is", "rewritten"]
)
def test_no_path_chooses_the_upstream(target: bytes, sent: bytes | None, options: dict[str, str]) -> None:
    wire = Wire([guarded("a", **options)])
    received = wire.send(request(target))
    if sent is None:
        assert [answer.status for answer in read_answers(received)] == [400]
        assert not wire.upstreams
        return
    line, *headers = wire.upstream().split(b"\r\n")
    assert line == b"GET %b HTTP/1.1" % sent
    assert [header for header in headers if header.lower().startswith(b"host:")] == [b"Host: up:80"]
    assert len(wire.upstreams) == 1


@pytest.mark.parametrize(
    ("target", "host"),
    [
        row("SS-03", b"db:5432", b"db:5432"),
        row("SS-03", b"a:443", b"a:443"),
        row("SS-03", b"a:22", b"a:22"),
        row("SS-03", b"up:80", b"up:80"),
        row("SS-03", b"[::1]:80", b"[::1]:80"),
        row("SS-03", b"169.254.169.254:80", b"169.254.169.254:80"),
        row("SS-03", b"a:0", b"a:0"),
        row("SS-03", b"a:99999", b"a:99999"),
        row("SS-03", b"up:80", b"a"),
        row("SS-03", b"/", b"a"),
        row("SS-03", b"http://a/", b"a"),
    ],
)
def test_connect_makes_no_tunnel(target: bytes, host: bytes) -> None:
    wire = Wire()
    answers = read_answers(wire.send(request(target, host, b"CONNECT") + b"EHLO evil\r\n"))
    assert len(answers) == 1
    assert answers[0].status in (400, 403, 404, 405)
    assert not wire.upstreams
    assert wire.pipe.lost


@ensureDeferred
async def test_ss_04_a_refused_connect_leaves_nothing_behind(place: OnLoopback) -> None:
    """None reaches an upstream, so no connection there can be left in doubt; ours to the client ends."""
    smuggled = request(b"/smuggled")
    caller = await place.call(request(b"up:80", b"a", b"CONNECT") + smuggled)
    received = await caller.end()
    assert [answer.status for answer in read_answers(received)] == [405]
    assert not place.upstream.connections
    after = await place.call(request(b"/plain"))
    assert (await after.answer()).status == 200
    assert [line.split(b" ")[1] for line in place.upstream.requests] == [b"/plain"]


@ensureDeferred
async def test_ss_04_what_an_upstream_sends_unasked_is_nobodys_answer(place: OnLoopback) -> None:
    """A second answer in the same bytes: the connection is not used again."""
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"
    place.upstream.script["/poison"] = answer + b"ok" + answer + b"no"
    caller = await place.call(request(b"/poison"))
    assert (await caller.answer()).body == b"ok"
    caller.send(request(b"/next"))
    assert b"GET /next" in (await caller.answers(2))[1].body
    assert len(place.upstream.connections) == 2


class TurningName:
    """A resolver whose name leads outside first, and to this machine from then on."""

    def __init__(self) -> None:
        self.asked = 0

    def resolveHostName(self, receiver: Any, _name: str, port: int = 0, *_more: Any, **_options: Any) -> Any:
        self.asked += 1
        receiver.resolutionBegan(None)
        receiver.addressResolved(IPv4Address("TCP", "192.0.2.1" if self.asked == 1 else "127.0.0.1", port))
        receiver.resolutionComplete()


def test_ss_05_a_name_that_turns_to_this_machine_is_not_followed() -> None:
    memory: Any = MemoryReactorClock()
    memory.advance(1_000_000)
    memory.nameResolver = TurningName()
    directlyProvides(memory, providedBy(memory), IReactorPluggableNameResolver)
    endpoint = HostnameEndpoint(GuardedReactor(memory, LOOPBACK), "up.test", 80)
    wire = Wire()
    wire.door.endpoints[0]._endpoint = endpoint
    wire.send(request(b"/"))
    memory.advance(1)
    assert [client[0] for client in memory.tcpClients] == ["192.0.2.1"]
    wire.open()
    received = wire.send(request(b"/"))
    for _ in range(10):
        memory.advance(1)
    received += wire.pipe.take()
    assert len(memory.tcpClients) == 1
    assert [answer.status for answer in read_answers(received)] == [503]
    details = [line["response-code-details"] for line in wire.log]
    assert details == ["upstream_reset_before_response_started{connection_failure}"]


@ensureDeferred
async def test_ss_05_a_forbidden_address_is_not_connected_to(opened: Any) -> None:
    elsewhere: OnLoopback = opened(guarded("a"))
    behind: Any = elsewhere.door.endpoints[0]
    target = behind._endpoint
    behind._endpoint = TCP4ClientEndpoint(GuardedReactor(reactor, LOOPBACK), target._host, target._port)
    caller = await elsewhere.call(request(b"/"))
    assert (await caller.answer()).status == 503
    assert not elsewhere.upstream.connections


# -- pages

MARKS = (b"authorization-mark", b"cookie-mark", b"session-mark", b"query-mark")


def marked(host: bytes, path: bytes = b"/page", more: bytes = b"") -> bytes:
    return (
        b"GET %b?secret=query-mark HTTP/1.1\r\nHost: %b\r\nAuthorization: Bearer authorization-mark\r\n"
        b"Cookie: other=cookie-mark; _pomerium=session-mark\r\nAccept: text/html\r\n%b\r\n"
    ) % (path, host, more)


def page_of(host: str) -> tuple[Wire, Any]:
    wire = Wire([guarded("denied", NOBODY), guarded("down")])
    wire.refuse = host == "down"
    (answer,) = read_answers(wire.send(marked(host.encode())))
    return wire, answer


@pytest.mark.parametrize(
    ("host", "status"),
    [row("SS-07", "denied", 403), row("SS-07", "unknown", 404), row("SS-07", "down", 503)],
)
def test_an_error_page_repeats_and_fetches_nothing(host: str, status: int) -> None:
    wire, answer = page_of(host)
    assert answer.status == status
    assert answer.body.startswith(b"<!DOCTYPE html>")
    for mark in MARKS:
        assert mark not in answer.head + answer.body
    assert not wire.upstreams
    # What the page makes a browser fetch goes to this host's reserved paths, and no further.
    addresses = re.findall(rb"(?:src|href|action|url\()\s*=?\s*[\"']?([^\"'\s>)]+)", answer.body)
    assert addresses
    for address in addresses:
        assert address.startswith(b"/.pomerium/"), address
    policy = answer.header("content-security-policy") or ""
    assert "default-src 'none'" in policy
    assert "connect-src 'self'" in policy
    assert "unsafe-inline" not in policy
    assert answer.header("referrer-policy") == "same-origin"


def named_by_a_page() -> list[bytes]:
    """Every path of ours that an error page names."""
    _wire, answer = page_of("denied")
    found = re.findall(rb"(?:src|href)=\"(/[^\"]+)\"", answer.body)
    assert len(found) > 2
    return found


@pytest.mark.parametrize("host", [row("SS-07", "denied"), row("SS-07", "down"), row("SS-07", "open")])
def test_what_a_page_fetches_with_the_users_cookies_stays_here(host: str) -> None:
    wire = Wire([guarded("denied", NOBODY), guarded("down"), guarded("open")])
    for path in named_by_a_page():
        wire.open()
        (answer,) = read_answers(wire.send(marked(host.encode(), path)))
        assert not any(mark in answer.head + answer.body for mark in MARKS)
    assert not wire.upstreams


@ensureDeferred
async def test_ss_07_a_denied_request_reaches_no_upstream(place: OnLoopback) -> None:
    caller = await place.call(marked(b"nobody"))
    assert (await caller.answer()).status == 403
    assert place.upstream.seen == b""
    place.door.writer.flush()
    assert not any(mark in b"".join(place.door.lines) for mark in MARKS)
