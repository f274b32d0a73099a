"""Resources of our own behind the door."""

from __future__ import annotations

import gc
import importlib.util
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure
from twisted.web import http_headers
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET

from pomerium_tw.model import Reply
from pomerium_tw.pages import OwnRequest, Page, PathTree
from pomerium_tw.proxy.serve import MAX_OWN_BODY, MAX_PARAMETERS
from tests.doors import Wire, read_answers

FORM = b"Content-Type: application/x-www-form-urlencoded\r\n"
PING = b"GET /ping HTTP/1.1\r\nHost: a\r\n\r\n"


def post(body: bytes, lines: bytes = FORM) -> bytes:
    head = b"POST /.pomerium/form HTTP/1.1\r\nHost: a\r\n" + lines
    return head + b"Content-Length: %d\r\n\r\n%b" % (len(body), body)


def test_a_form_is_read_in_full_first() -> None:
    wire = Wire()
    sent = post(b"text=hello")
    assert wire.send(sent[:-3]) == b""
    assert read_answers(wire.send(sent[-3:] + PING))[0].body == b"hello"
    assert [line["response-code-details"] for line in wire.log] == ["own_page"]


def test_head_of_a_page_has_no_body() -> None:
    received = Wire().send(b"HEAD /.pomerium/form HTTP/1.1\r\nHost: a\r\n\r\n")
    assert b"Content-Length: 4\r\n" in received
    assert received.endswith(b"\r\n\r\n")


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_that_is_too_large_is_refused_without_reading_it_all(chunked: bool) -> None:
    wire = Wire()
    if chunked:
        head = b"POST /.pomerium/form HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        received = wire.send(head + b"100000\r\n" + b"x" * (MAX_OWN_BODY + 1))
    else:
        received = wire.send(b"POST /.pomerium/form HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n")
    assert [answer.status for answer in read_answers(received)] == [413]
    wire.send(b"x" * 100_000)
    assert [line["response-code"] for line in wire.log] == [413]


def test_other_forms_are_refused() -> None:
    sent = post(b"--x\r\n", b"Content-Type: multipart/form-data; boundary=x\r\n")
    assert read_answers(Wire().send(sent))[0].status == 415


@pytest.mark.parametrize(
    ("body", "lines", "read"),
    [
        (b"text=hello", b"content-TYPE: Application/X-WWW-Form-URLencoded;charset=UTF-8\r\n", b"hello"),
        (b"text=hello", b"Content-Type: text/plain\r\n", b""),
        (b"text=hello", b"", b""),
    ],
)
def test_a_form_is_one_that_says_so(body: bytes, lines: bytes, read: bytes) -> None:
    assert read_answers(Wire().send(post(body, lines)))[0].body == read


@pytest.mark.parametrize("separator", [b"&", b";"])
@pytest.mark.parametrize("place", ["query", "form"])
def test_too_many_parameters_are_refused_before_any_is_read(place: str, separator: bytes) -> None:
    wire = Wire()

    def sent(count: int) -> bytes:
        parameters = separator.join([b"a=b"] * count)
        if place == "form":
            return post(parameters)
        return b"GET /.pomerium/form?%b HTTP/1.1\r\nHost: a\r\n\r\n" % parameters

    answers = read_answers(wire.send(sent(MAX_PARAMETERS) + sent(MAX_PARAMETERS + 1) + PING))
    assert [answer.status for answer in answers] == [200, 400, 200]
    assert answers[1].body == b"400 Bad Request\ntoo many parameters\n"
    assert wire.log[1]["response-code-details"] == "too_many_parameters"


def test_separators_in_what_is_no_form_are_not_counted() -> None:
    assert read_answers(Wire().send(post(b";" * 1000, b"Content-Type: text/plain\r\n")))[0].status == 200


def test_a_page_that_asks_for_no_parameter_has_none_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("pomerium_tw.pages.resource.parse_qs")
    request = b"GET /ping?a=%41 HTTP/1.1\r\nHost: a\r\n\r\n"
    assert read_answers(Wire().send(request))[0].status == 200


def test_twisted_is_given_none_of_the_headers_and_remembers_no_name() -> None:
    page = Streaming()
    wire = Wire(own=PathTree({"/.pomerium/stream": page}))
    lines = b"X-Never-Seen: 1\r\nCookie: a=1\r\nContent-Type: text/plain;a=1;b=2\r\n"
    wire.send(b"GET /.pomerium/stream/?a=1 HTTP/1.1\r\nHost: a\r\n%b\r\n" % lines)
    assert page.request.incoming.head.get(b"x-never-seen") == b"1"
    assert list(page.request.requestHeaders.getAllRawHeaders()) == []
    assert page.request.received_cookies == {} == page.request.args
    known = http_headers._nameEncoder._canonicalHeaderCache
    assert [name for name in known if name.lower() in (b"x-never-seen", "x-never-seen")] == []


class Slow(Page):
    def __init__(self) -> None:
        super().__init__()
        self.waiting: Deferred[None] = Deferred()
        self.left = False

    async def get(self, _request: OwnRequest) -> Reply:
        try:
            await self.waiting
        except BaseException:
            self.left = True
            raise
        return Reply(200, (), b"done")


def test_a_page_may_take_its_time_and_the_next_request_waits() -> None:
    page = Slow()
    wire = Wire(own=PathTree({"/.pomerium/slow": page}))
    assert (
        wire.send(b"GET /.pomerium/slow HTTP/1.1\r\nHost: a\r\n\r\nGET /x HTTP/1.1\r\nHost: none\r\n\r\n")
        == b""
    )
    page.waiting.callback(None)
    assert [answer.status for answer in read_answers(wire.pipe.take())] == [200, 404]


def test_a_client_that_leaves_cancels_the_page() -> None:
    page = Slow()
    wire = Wire(own=PathTree({"/.pomerium/slow": page}))
    wire.send(b"GET /.pomerium/slow HTTP/1.1\r\nHost: a\r\n\r\n")
    wire.client_closes()
    assert page.left
    assert [(line["response-code"], line["response-code-details"]) for line in wire.log] == [
        (0, "downstream_remote_disconnect")
    ]


class Streaming(Resource):
    isLeaf = True

    def render_GET(self, request: Any) -> int:
        request.write(b"one")
        request.write(b"two")
        self.request = request
        return NOT_DONE_YET


def test_a_page_without_a_length_is_chunked() -> None:
    page = Streaming()
    wire = Wire(own=PathTree({"/.pomerium/stream": page}))
    received = wire.send(b"GET /.pomerium/stream HTTP/1.1\r\nHost: a\r\n\r\n")
    assert received.endswith(b"3\r\none\r\n3\r\ntwo\r\n")
    page.request.finish()
    assert wire.pipe.take() == b"0\r\n\r\n"


def test_a_page_that_gives_up_cuts_the_connection() -> None:
    page = Streaming()
    wire = Wire(own=PathTree({"/.pomerium/stream": page}))
    wire.send(b"GET /.pomerium/stream HTTP/1.1\r\nHost: a\r\n\r\n")
    page.request.loseConnection()
    assert wire.pipe.lost == "closed"
    assert len(wire.log) == 1


class Broken(Resource):
    isLeaf = True

    def render(self, request: Any) -> int:
        raise RuntimeError("a fault of ours: secret")


def test_a_page_that_fails_is_500_and_says_nothing_of_why() -> None:
    wire = Wire(own=PathTree({"/.pomerium/broken": Broken()}))
    answer = read_answers(wire.send(b"GET /.pomerium/broken HTTP/1.1\r\nHost: a\r\n\r\n"))[0]
    assert answer.status == 500
    assert b"secret" not in answer.body


@pytest.fixture
def no_collection(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Reference counting is on its own. Twisted cleans failures, which pytest-twisted switches off."""
    spec = importlib.util.find_spec("twisted.python.failure")
    assert spec is not None and spec.loader is not None
    fresh = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(fresh)
    monkeypatch.setattr(Failure, "cleanFailure", fresh.Failure.cleanFailure)
    gc.collect()
    gc.disable()
    yield
    gc.enable()


class Kept(Slow):
    """Knows what of its request is still in memory."""

    async def get(self, request: OwnRequest) -> Reply:
        parts = (request, request.channel, request.incoming.head)
        self.kept = [weakref.ref(part) for part in parts]
        request.parameter("a")
        await self.waiting
        return Reply(200, (), b"done")


def _answered(_wire: Wire, page: Kept) -> None:
    page.waiting.callback(None)


def _left(wire: Wire, _page: Kept) -> None:
    wire.client_closes()


@pytest.mark.usefixtures("no_collection")
@pytest.mark.parametrize("method", [b"GET", b"HEAD"])
@pytest.mark.parametrize("end", [_answered, _left])
def test_a_request_is_freed_with_its_end_and_waits_for_no_garbage_collection(
    method: bytes, end: Callable[[Wire, Kept], None]
) -> None:
    page = Kept()
    wire = Wire(own=PathTree({"/.pomerium/slow": page}))
    wire.send(method + b" /.pomerium/slow?a=1 HTTP/1.1\r\nHost: a\r\n\r\n")
    assert all(part() for part in page.kept)
    end(wire, page)
    wire.open()  # the connection keeps its last heads, and the log its last lines
    wire.settle()
    assert len(wire.log) == 1
    assert [part() for part in page.kept] == [None] * 3
