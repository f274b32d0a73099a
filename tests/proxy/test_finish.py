"""Every exchange gets an answer, whatever of ours fails while it is made."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from email.utils import formatdate
from typing import Any

import pytest
from twisted.internet.error import ConnectionLost
from twisted.logger import globalLogPublisher

from pomerium_tw.proxy import Finish, finish
from tests.doors import Wire, guarded, read_answers

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


@pytest.fixture
def failures() -> Iterator[list[Any]]:
    """Failures that were logged."""
    logged: list[Any] = []

    def observer(event: Any) -> None:
        if "log_failure" in event:
            logged.append(event)

    globalLogPublisher.addObserver(observer)
    yield logged
    globalLogPublisher.removeObserver(observer)


def broken(*_arguments: object, **_options: object) -> Any:
    raise OSError(24, "Too many open files")


def refused(wire: Wire) -> bytes:
    wire.refuse = True
    return wire.send(GET)


def dropped(wire: Wire) -> bytes:
    wire.send(GET)
    return wire.upstream_closes(reason=ConnectionLost())


def late(wire: Wire) -> bytes:
    wire.send(GET)
    return wire.pass_time(3)


FAILURES = [
    pytest.param(refused, 503, id="refused"),
    pytest.param(dropped, 503, id="dropped"),
    pytest.param(late, 504, id="late"),
]


def answered(fail: Callable[[Wire], bytes]) -> tuple[Wire, list[tuple[int, bytes]]]:
    wire = Wire([guarded("a", timeout=2.0)])
    return wire, [(each.status, each.body) for each in read_answers(fail(wire))]


@pytest.mark.parametrize(("fail", "status"), FAILURES)
def test_an_error_page_that_cannot_be_made_is_told_in_bare_words(
    monkeypatch: pytest.MonkeyPatch, failures: list[Any], fail: Callable[[Wire], bytes], status: int
) -> None:
    monkeypatch.setattr(finish, "local_reply", broken)
    wire, answers = answered(fail)
    assert [got for got, _body in answers] == [status]
    assert answers[0][1].startswith(b"%d " % status)
    assert len(wire.log) == len(failures) == 1


@pytest.mark.parametrize("fail", [refused, dropped, late])
def test_a_failure_that_cannot_be_told_is_500(
    monkeypatch: pytest.MonkeyPatch, failures: list[Any], fail: Callable[[Wire], bytes]
) -> None:
    monkeypatch.setattr(Finish, "failed", broken)
    wire, answers = answered(fail)
    assert [got for got, _body in answers] == [500]
    assert [line["response-code-details"] for line in wire.log] == ["internal_error"]
    assert len(failures) == 1


@pytest.mark.parametrize("fail", [refused, dropped, late])
def test_what_cannot_be_answered_at_all_ends(
    monkeypatch: pytest.MonkeyPatch, failures: list[Any], fail: Callable[[Wire], bytes]
) -> None:
    monkeypatch.setattr(Finish, "failed", broken)
    monkeypatch.setattr(Finish, "internal_error", broken)
    wire, answers = answered(fail)
    assert answers == []
    assert wire.pipe.lost
    assert len(wire.log) == 1
    assert len(failures) == 2


@pytest.mark.parametrize("dated", [True, False])
def test_an_answer_without_a_date_gets_ours(*, dated: bool) -> None:
    wire = Wire()
    wire.send(GET)
    date = b"Date: Sun, 22 Nov 2026 00:00:00 GMT\r\n" if dated else b""
    (answer,) = read_answers(wire.answer(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n" + date + b"\r\n"))
    ours = formatdate(wire.clock.seconds(), usegmt=True)
    assert answer.header("date") == ("Sun, 22 Nov 2026 00:00:00 GMT" if dated else ours)
    assert answer.head.count(b"Date: ") == 1
