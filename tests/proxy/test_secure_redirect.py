"""Plain HTTP is told where HTTPS is, and nothing else."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pytest_twisted import ensureDeferred
from twisted.internet import reactor
from twisted.internet.address import IPv4Address
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.error import ConnectionDone
from twisted.internet.protocol import Factory
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from pomerium_tw.proxy import Timeouts
from pomerium_tw.proxy.admission import Admission, ConnectionLimits
from pomerium_tw.proxy.listener import RequestIds
from pomerium_tw.proxy.secure_redirect import REDIRECT_LINGER_SECONDS, RedirectListener
from pomerium_tw.proxy.sweep import Sweep
from pomerium_tw.telemetry import DEFAULT_ACCESS_FIELDS, AccessLog, LineWriter
from tests.doors import Answer, Caller, Pipe, read_answers
from tests.logs import AtOnce

PEER = IPv4Address("TCP", "192.0.2.7", 4711)


class Plain:
    """A client on the redirect listener, in memory."""

    def __init__(self, timeouts: Timeouts | None = None, **limits: Any) -> None:
        self.clock = Clock()
        self.clock.advance(1_000_000)
        self.sweep = Sweep(self.clock)
        self.sweep.start()
        self.admission = Admission(self.clock, ConnectionLimits(**limits))
        self.lines: list[bytes] = []
        self.writer = LineWriter(AtOnce(-1, self._write), self.clock)
        self.listener = RedirectListener(
            self.clock,
            self.sweep,
            self.admission,
            timeouts or Timeouts(),
            access_log=AccessLog(self.writer, (*DEFAULT_ACCESS_FIELDS, "response-flags", "ip", "query")),
            new_request_id=RequestIds(),
        )
        self.open()

    def _write(self, _fd: int, data: bytes) -> int:
        self.lines += data.splitlines()
        return len(data)

    @property
    def log(self) -> list[dict[str, Any]]:
        self.writer.flush()
        return [json.loads(line) for line in self.lines]

    def open(self) -> None:
        self.pipe = Pipe()
        self.client: Any = self.listener.buildProtocol(PEER)
        if self.client is not None:
            self.client.makeConnection(self.pipe)

    def send(self, data: bytes) -> bytes:
        self.client.dataReceived(data)
        return self.pipe.take()

    def pass_time(self, seconds: int) -> bytes:
        for _ in range(seconds):
            self.clock.advance(1)
        return self.pipe.take()


def asked(line: bytes, host: bytes = b"app.example.com") -> Answer:
    sent = Plain().send(b"%b HTTP/1.1\r\nHost: %b\r\n\r\n" % (line, host))
    return read_answers(sent, heads_only=line.startswith(b"HEAD"))[0]


@pytest.mark.parametrize(
    ("line", "host", "location"),
    [
        (b"GET /", b"app.example.com", "https://app.example.com/"),
        (b"GET /a/b?c=d&e=%22", b"app.example.com", "https://app.example.com/a/b?c=d&e=%22"),
        (b"POST /form", b"app.example.com", "https://app.example.com/form"),
        (b"GET /a/../b//c%2Fd", b"app.example.com", "https://app.example.com/a/../b//c%2Fd"),
        (b"GET /", b"APP.example.com:8080", "https://app.example.com/"),
        (b"GET /", b"[2001:db8::1]:80", "https://[2001:db8::1]/"),
        (b"GET http://app.example.com/x?y", b"app.example.com", "https://app.example.com/x?y"),
        (b"GET //evil.example.com/", b"app.example.com", "https://app.example.com//evil.example.com/"),
    ],
)
def test_every_request_is_sent_to_the_same_place_by_https(line: bytes, host: bytes, location: str) -> None:
    answer = asked(line, host)
    assert (answer.status, answer.header("location"), answer.header("connection")) == (301, location, "close")


def test_the_answer_links_there_and_holds_nothing_else() -> None:
    answer = asked(b"GET /?a=1&b='<x>'")
    link = "https://app.example.com/?a=1&amp;b=&#x27;&lt;x&gt;&#x27;"
    assert answer.body.decode() == f'<a href="{link}">Moved Permanently</a>.\n'
    names = [line.partition(b":")[0] for line in answer.head.split(b"\r\n")[1:-1]]
    assert names == [b"Connection", b"Location", b"Content-Type", b"Content-Length", b"Date", b"X-Request-Id"]
    assert answer.header("date") == "Mon, 12 Jan 1970 13:46:40 GMT"


def test_head_gets_no_body() -> None:
    sent = Plain().send(b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n")
    assert sent.endswith(b"\r\n\r\n")
    assert sent.startswith(b"HTTP/1.1 301 ")


def test_head_that_is_refused_gets_no_body() -> None:
    answer = read_answers(Plain().send(b"GET / HTTP/1.1\r\n\r\n"))[0]
    sent = Plain().send(b"HEAD / HTTP/1.1\r\n\r\n")
    assert sent.partition(b"\r\n\r\n")[2] == b""
    assert read_answers(sent, heads_only=True)[0].header("content-length") == str(len(answer.body))


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a@b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        (b"GET /\\evil HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET /%0d%0aX:y HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET http://evil/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", 400),
        (b"get / HTTP/1.1\r\nHost: a\r\n\r\n", 405),
        (b"GET / HTTP/1.0\r\nHost: a\r\n\r\n", 426),
        (b"GET / HTTP/1.1\nHost: a\n\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\n", 400),
        (b"GET /" + b"a" * 200_000, 431),
    ],
)
def test_what_is_no_request_is_refused(sent: bytes, status: int) -> None:
    plain = Plain()
    answer = read_answers(plain.send(sent))[0]
    assert (answer.status, answer.header("location")) == (status, None)
    assert plain.pipe.lost == "half"


def test_a_request_may_come_in_pieces() -> None:
    plain = Plain()
    request = b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n"
    for byte in request[:-1]:
        assert plain.send(bytes([byte])) == b""
    assert plain.send(request[-1:]).startswith(b"HTTP/1.1 301 ")


def test_one_request_is_answered_and_what_follows_is_read_away() -> None:
    plain = Plain()
    request = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n"
    assert len(read_answers(plain.send(request + request))) == 1
    assert plain.pipe.lost == "half"
    assert plain.send(request) == b""
    assert plain.pipe.reading


def test_a_silent_client_is_cut() -> None:
    plain = Plain()
    assert plain.pass_time(11) == b""
    assert plain.pipe.lost == "aborted"


def test_a_slow_client_is_told_and_cut() -> None:
    plain = Plain()
    received = b""
    for byte in b"GET / HTTP/1.1":
        received += plain.send(bytes([byte])) + plain.pass_time(1)
    assert read_answers(received)[0].status == 408
    plain.pass_time(int(REDIRECT_LINGER_SECONDS) + 1)
    assert plain.pipe.lost == "aborted"


def test_without_a_deadline_of_heads_only_silence_ends() -> None:
    plain = Plain(Timeouts(head=0, idle=20))
    plain.pass_time(18)
    received = b""
    for byte in b"GET / HT":
        received += plain.send(bytes([byte])) + plain.pass_time(18)
    assert (received, plain.pipe.lost) == (b"", "")
    assert read_answers(plain.pass_time(4))[0].status == 408
    plain.open()
    plain.pass_time(18)
    assert not plain.pipe.lost
    plain.pass_time(4)
    assert plain.pipe.lost == "aborted"


def test_without_any_deadline_a_client_is_waited_for() -> None:
    plain = Plain(Timeouts(head=0, idle=0))
    plain.pass_time(1000)
    plain.send(b"GET / HTTP/1.1\r\n")
    assert plain.pass_time(1000) == b""
    assert plain.send(b"Host: a\r\n\r\n").startswith(b"HTTP/1.1 301 ")
    plain.pass_time(int(REDIRECT_LINGER_SECONDS) + 1)
    assert plain.pipe.lost == "aborted"


def test_every_answer_has_its_line_in_the_access_log() -> None:
    plain = Plain()
    answer = read_answers(plain.send(b"GET /x?a=b HTTP/1.1\r\nHost: a\r\nUser-Agent: curl\r\n\r\n"))[0]
    (line,) = plain.log
    assert {name: line[name] for name in line if name not in ("time", "level", "message", "service")} == {
        "upstream-cluster": "",
        "method": "GET",
        "authority": "a",
        "path": "/x",
        "query": "a=b",
        "user-agent": "curl",
        "referer": "",
        "forwarded-for": "",
        "request-id": answer.header("x-request-id"),
        "duration": 0,
        "size": len(answer.body),
        "response-code": 301,
        "response-code-details": "https_redirect",
        "response-flags": "",
        "ip": "192.0.2.7",
    }


@pytest.mark.parametrize(
    ("sent", "known", "details"),
    [
        (
            b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
            ("OPTIONS", "a", ""),
            "request_refused{the_address_is_neither_a_path_nor_a_URL}",
        ),
        (
            b"GET /x HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
            ("GET", "", ""),
            "request_refused{a_request_names_exactly_one_Host}",
        ),
        (
            b"\x16\x03\x01\x02\x00\x01\x00\n",
            ("", "", ""),
            "request_refused{a_line_of_the_request_does_not_end_in_CRLF}",
        ),
    ],
)
def test_a_refusal_has_its_line_with_what_was_understood(
    sent: bytes, known: tuple[str, str, str], details: str
) -> None:
    plain = Plain()
    answer = read_answers(plain.send(sent))[0]
    (line,) = plain.log
    assert (line["method"], line["authority"], line["path"]) == known
    assert (line["response-code"], line["response-code-details"]) == (400, details)
    assert (line["response-flags"], line["ip"], line["size"]) == ("DPE", "192.0.2.7", len(answer.body))
    assert line["request-id"] == answer.header("x-request-id")


def test_a_slow_and_a_silent_client_differ_in_the_access_log() -> None:
    plain = Plain()
    plain.send(b"GET /")
    plain.pass_time(11)
    plain.open()
    plain.pass_time(11)
    assert [(line["response-code"], line["response-code-details"]) for line in plain.log] == [
        (408, "request_header_timeout")
    ]


def test_a_client_that_does_not_close_is_cut() -> None:
    plain = Plain()
    plain.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    plain.pass_time(int(REDIRECT_LINGER_SECONDS) + 1)
    assert plain.pipe.lost == "aborted"


def test_its_connections_count_with_all_others() -> None:
    plain = Plain(total=1)
    assert plain.admission.open == 1
    first = plain.client
    plain.open()
    assert plain.client is None
    first.connectionLost(Failure(ConnectionDone()))
    plain.open()
    assert plain.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").startswith(b"HTTP/1.1 301 ")


def test_all_of_them_can_be_ended() -> None:
    plain = Plain()
    plain.listener.abort()
    assert plain.pipe.lost == "aborted"


@ensureDeferred
async def test_a_client_on_a_socket_reads_the_answer_and_the_end() -> None:
    running: Any = reactor
    sweep = Sweep(running)
    sweep.start()
    admission = Admission(running)
    log = AccessLog(LineWriter(AtOnce(-1, lambda _fd, data: len(data)), running))
    listener = RedirectListener(
        running, sweep, admission, Timeouts(), access_log=log, new_request_id=RequestIds()
    )
    port = running.listenTCP(0, listener, interface="127.0.0.1")
    endpoint = TCP4ClientEndpoint(reactor, "127.0.0.1", port.getHost().port)
    caller: Caller = await endpoint.connect(Factory.forProtocol(Caller))
    caller.send(b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n" + b"x" * 1_000_000)
    received = await caller.end()
    assert read_answers(received)[0].header("location") == "https://a/x"
    assert not caller.reset
    await port.stopListening()
    sweep.stop()
    assert admission.open <= 1
