"""Pages on top of twisted.web: methods, failures, clients that leave."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import ILogObserver, LogEvent, globalLogPublisher
from zope.interface import implementer

from pomerium_tw.model import Reply, redirect
from pomerium_tw.pages import OwnRequest, Page

from .memory import REQUEST_ID, Channel, drive, incoming, leave, own_request


class Greeting(Page):
    async def get(self, request: OwnRequest) -> Reply:
        return Reply(
            200,
            ((b"Content-Type", b"text/plain"), (b"Set-Cookie", b"a=1"), (b"Set-Cookie", b"b=2")),
            b"hello",
        )


class Broken(Page):
    async def get(self, request: OwnRequest) -> Reply:
        raise RuntimeError("the secret is tremolo")


class BrokenTwice(Broken):
    def failed(self, request: OwnRequest) -> Reply:
        raise RuntimeError("this too")


class Waiting(Page):
    def __init__(self) -> None:
        super().__init__()
        self.result: Deferred[bytes] = Deferred()
        self.cancelled = False

    async def get(self, request: OwnRequest) -> Reply:
        try:
            return Reply(200, (), await self.result)
        except CancelledError:
            self.cancelled = True
            raise


@pytest.fixture
def logged() -> Iterator[list[LogEvent]]:
    events: list[LogEvent] = []

    @implementer(ILogObserver)
    class Kept:
        def __call__(self, event: LogEvent) -> None:
            events.append(event)

    kept = Kept()
    globalLogPublisher.addObserver(kept)
    yield events
    globalLogPublisher.removeObserver(kept)


def test_a_reply_is_written_whole() -> None:
    answer = drive(Greeting(), incoming())
    assert (answer.status, answer.body, answer.done) == (200, b"hello", True)
    assert answer.header("content-type") == "text/plain"
    assert answer.header("content-length") == "5"
    assert answer.headers.getRawHeaders("set-cookie") == ["a=1", "b=2"]


def test_head_is_get_without_its_body() -> None:
    answer = drive(Greeting(), incoming(method="HEAD"))
    assert (answer.status, answer.body, answer.done) == (200, b"", True)
    assert answer.header("content-length") == "5"


@pytest.mark.parametrize("method", ["POST", "PUT", "OPTIONS", "BREW"])
def test_other_methods_are_told_which_would_do(method: str) -> None:
    answer = drive(Greeting(), incoming(method=method))
    assert answer.status == 405
    assert answer.header("allow") == "GET, HEAD"


def test_the_server_software_is_not_named() -> None:
    answer = drive(
        Greeting(), incoming(), prepare=lambda request: request.setHeader(b"server", b"TwistedWeb/1")
    )
    assert answer.header("server") is None


class Elsewhere(Page):
    def __init__(self, reply: Reply) -> None:
        super().__init__()
        self._reply = reply

    async def post(self, request: OwnRequest) -> Reply:
        return self._reply


def test_redirects_are_marked_as_ours() -> None:
    answer = drive(Elsewhere(redirect("/x")), incoming(method="POST"))
    assert answer.status == 302
    assert answer.header("x-pomerium-intercepted-response") == "true"


@pytest.mark.parametrize("status", [204, 304])
def test_statuses_without_content_have_no_length(status: int) -> None:
    answer = drive(Elsewhere(Reply(status)), incoming(method="POST"))
    assert (answer.status, answer.body, answer.done) == (status, b"", True)
    assert answer.header("content-length") is None
    assert answer.header("transfer-encoding") is None


def test_an_exception_shows_the_request_id_and_logs_the_rest(logged: list[LogEvent]) -> None:
    answer = drive(Broken(), incoming("/x"))
    assert (answer.status, answer.done) == (500, True)
    assert REQUEST_ID.encode() in answer.body
    assert b"tremolo" not in answer.body
    failures = [event for event in logged if "log_failure" in event]
    assert len(failures) == 1
    assert (failures[0]["path"], failures[0]["request_id"]) == ("/x", REQUEST_ID)


def test_an_error_page_that_fails_still_answers(logged: list[LogEvent]) -> None:
    answer = drive(BrokenTwice(), incoming())
    assert (answer.status, answer.done) == (500, True)
    assert REQUEST_ID.encode() in answer.body
    assert len([event for event in logged if "log_failure" in event]) == 2


def test_an_answer_may_take_its_time() -> None:
    page = Waiting()
    answer = drive(page, incoming())
    assert not answer.done
    page.result.callback(b"late")
    assert (answer.body, answer.done) == (b"late", True)


def test_a_client_that_leaves_cancels_the_work_quietly(logged: list[LogEvent]) -> None:
    page = Waiting()
    request, answer = own_request(incoming())
    page.render(request)
    leave(request)
    assert page.cancelled
    assert answer == Channel()
    assert [event for event in logged if "log_failure" in event] == []


class Stubborn(Waiting):
    async def get(self, request: OwnRequest) -> Reply:
        try:
            return await super().get(request)
        except CancelledError:
            return Reply(200, (), b"too late")


def test_nothing_is_written_to_a_client_that_left(logged: list[LogEvent]) -> None:
    page = Stubborn()
    request, answer = own_request(incoming())
    page.render(request)
    leave(request)
    assert answer == Channel()
    assert [event for event in logged if "log_failure" in event] == []


def test_a_parameter_must_occur_once() -> None:
    request, _ = own_request(incoming(query="one=1&two=1&both=1&bytes=%FF"))
    request.form = b"three=3&two=2&two=2&both=1"
    assert [request.parameter(name) for name in ("one", "three")] == ["1", "3"]
    assert [request.parameter(name) for name in ("two", "both", "bytes", "none")] == ["", "", "", ""]
