"""Resources of our own behind the door."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET

from pomerium_tw.model import Reply
from pomerium_tw.pages import OwnRequest, Page, PathTree
from pomerium_tw.proxy.serve import MAX_OWN_BODY
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
