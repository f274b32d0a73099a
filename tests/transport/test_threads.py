"""Threads: calls run elsewhere, answer here, and end with the owner."""

from __future__ import annotations

import subprocess
import sys
import threading
from typing import Any

import pytest
from pytest_twisted import ensureDeferred
from twisted.internet import reactor
from twisted.internet.defer import Deferred, DeferredList
from twisted.logger import globalLogPublisher

from pomerium_tw.transport import Threads, ThreadsBusyError, ThreadsClosedError, ThreadsTimeoutError
from pomerium_tw.transport import threads as module

from .clocked import ClockedReactor


def names() -> set[str]:
    return {thread.name for thread in threading.enumerate()}


def begun(threads: Threads, gate: threading.Event) -> Deferred[bool]:
    """A call that a thread has begun, and that ends with the gate."""
    runs = threading.Event()

    def wait() -> bool:
        runs.set()
        return gate.wait()

    work = threads.run(wait)
    assert runs.wait(10)
    return work


@ensureDeferred
async def test_calls_run_in_a_named_thread_and_answer_in_the_reactors() -> None:
    threads = Threads(reactor, "books", 1)
    assert not any("books" in name for name in names()), "nothing starts before the first call"
    result = await threads.run(
        lambda word, end="": (threading.current_thread().name, word + end), "a", end="b"
    )
    assert "books" in result[0]
    assert result[1] == "ab"
    assert threading.current_thread() is threading.main_thread()
    await threads.close()
    assert not any("books" in name for name in names())


@ensureDeferred
async def test_what_a_call_raises_is_its_failure() -> None:
    threads = Threads(reactor, "books", 1)
    with pytest.raises(ZeroDivisionError):
        await threads.run(lambda: 1 // 0)
    await threads.close()


@ensureDeferred
async def test_one_thread_runs_calls_in_order() -> None:
    threads = Threads(reactor, "books", 1)
    seen: list[int] = []
    await DeferredList([threads.run(seen.append, number) for number in range(50)])
    assert seen == list(range(50))
    await threads.close()


@ensureDeferred
async def test_two_threads_run_two_calls_at_once() -> None:
    threads = Threads(reactor, "books", 2)
    meeting = threading.Barrier(2, timeout=10)
    await DeferredList([threads.run(meeting.wait) for _ in range(2)], fireOnOneErrback=True)
    await threads.close()


@ensureDeferred
async def test_close_waits_for_accepted_calls_and_refuses_further_ones() -> None:
    threads = Threads(reactor, "books", 1)
    gate = threading.Event()
    first, second = threads.run(gate.wait), threads.run(lambda: "done")
    closed = threads.close()
    with pytest.raises(ThreadsClosedError, match="'books' are closed"):
        await threads.run(lambda: None)
    assert not closed.called
    gate.set()
    await closed
    assert await first is True
    assert await second == "done"
    await threads.close()
    with pytest.raises(ThreadsClosedError):
        await threads.run(lambda: None)


@ensureDeferred
async def test_threads_that_never_ran_close_at_once() -> None:
    assert Threads(reactor, "books", 1).close().called


@ensureDeferred
async def test_a_call_that_takes_too_long_fails_and_does_not_hold_up_the_others() -> None:
    clocked = ClockedReactor()
    threads = Threads(clocked, "books", 2, call_limit=3)
    gate = threading.Event()
    slow = threads.run(gate.wait)
    clocked.advance(2.9)
    assert not slow.called
    clocked.advance(0.1)
    with pytest.raises(ThreadsTimeoutError, match="longer than 3 seconds"):
        await slow
    assert await threads.run(lambda: "ok") == "ok"
    gate.set()
    await threads.close()
    assert clocked.getDelayedCalls() == []


@ensureDeferred
async def test_close_leaves_a_call_behind_that_does_not_end_and_begins_no_other() -> None:
    clocked = ClockedReactor()
    threads = Threads(clocked, "books", 1, call_limit=1000)
    gate = threading.Event()
    hung = begun(threads, gate)
    seen: list[str] = []
    queued = threads.run(seen.append, "queued")
    events: list[Any] = []
    globalLogPublisher.addObserver(events.append)
    try:
        closed = threads.close()
        clocked.advance(module.CLOSE_LIMIT - 0.1)
        assert not closed.called
        clocked.advance(0.1)
        assert closed.called
    finally:
        globalLogPublisher.removeObserver(events.append)
    assert any("left behind" in event["log_format"] and event["count"] == 2 for event in events)
    assert clocked.triggers == []
    gate.set()
    assert await hung is True
    with pytest.raises(ThreadsClosedError, match="nobody waits"):
        await queued
    assert seen == []


@ensureDeferred
async def test_too_many_waiting_calls_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_PENDING", 2)
    threads = Threads(reactor, "books", 1)
    gate = threading.Event()
    waiting = [threads.run(gate.wait), threads.run(gate.wait)]
    with pytest.raises(ThreadsBusyError, match="2 calls waiting"):
        await threads.run(gate.wait)
    gate.set()
    await DeferredList(waiting, fireOnOneErrback=True)
    assert await threads.run(lambda: "again") == "again"
    await threads.close()


@ensureDeferred
async def test_the_reactors_shutdown_closes_them() -> None:
    clocked = ClockedReactor()
    threads = Threads(clocked, "books", 1)
    await threads.run(lambda: None)
    (trigger,) = clocked.triggers
    trigger()
    with pytest.raises(ThreadsClosedError):
        await threads.run(lambda: None)


@pytest.mark.parametrize("cancelled", [True, False], ids=["cancelled", "too late"])
@ensureDeferred
async def test_a_call_that_nobody_waits_for_any_more_is_not_begun(cancelled: bool) -> None:
    clocked = ClockedReactor()
    threads = Threads(clocked, "books", 1, call_limit=3)
    gate = threading.Event()
    begun(threads, gate).addErrback(lambda _too_late: False)
    seen: list[str] = []
    queued = threads.run(seen.append, "queued").addErrback(lambda _given_up: None)
    if cancelled:
        queued.cancel()
    else:
        clocked.advance(3)
    last = threads.run(seen.append, "last")
    gate.set()
    await last
    assert seen == ["last"]
    await threads.close()


def test_a_size_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        Threads(reactor, "books", 0)


HUNG = """
import threading
from twisted.internet import reactor
from pomerium_tw.transport import Threads
threads = Threads(reactor, "books", 1)
threads.run(threading.Event().wait)
reactor.callLater(0, reactor.stop)
reactor.run()
print("stopped")
"""


def test_a_call_that_never_ends_keeps_no_process_alive() -> None:
    done = subprocess.run(
        [sys.executable, "-c", HUNG], capture_output=True, text=True, timeout=30, check=False
    )
    assert (done.stdout, done.returncode) == ("stopped\n", 0)
