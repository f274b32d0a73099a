"""Names: one look-up at a time for each, and nobody waits for another's."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import weakref
from collections.abc import Sequence
from typing import Any

import pytest
from pytest_twisted import ensureDeferred
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IHostnameResolver, IHostResolution
from zope.interface.verify import verifyObject

from pomerium_tw.transport import resolver as module
from pomerium_tw.transport.resolver import Found, Names, look_up

from .clocked import ClockedReactor

V4: Found = (IPv4Address, ("192.0.2.7", 0))
V6: Found = (IPv6Address, ("2001:db8::7", 0, 0, 3))


class Asker:
    """What a resolver tells."""

    def __init__(self, names: Names, name: str, port: int = 80, **how: Any) -> None:
        self.heard: list[Any] = []
        self.began: list[Any] = []
        self.done: Deferred[list[Any]] = Deferred()
        self.resolution = names.resolveHostName(self, name, port, **how)

    def resolutionBegan(self, resolution: Any) -> None:
        self.began.append(resolution)

    def addressResolved(self, address: Any) -> None:
        self.heard.append(address)

    def resolutionComplete(self) -> None:
        self.done.callback(self.heard)


class Book:
    """A resolver that blocks for the names that have a gate, until it is opened."""

    def __init__(self, *found: Found) -> None:
        self.found: Sequence[Found] = found
        self.asked: list[str] = []
        self.gates: dict[str, threading.Event] = {}
        self.error: Exception | None = None

    def __call__(self, name: str) -> Sequence[Found]:
        self.asked.append(name)
        if name in self.gates:
            self.gates[name].wait()
        if self.error is not None:
            raise self.error
        return self.found

    def hang(self, *names: str) -> threading.Event:
        gate = threading.Event()
        self.gates.update(dict.fromkeys(names, gate))
        return gate


def end(reactor: ClockedReactor) -> None:
    for trigger in tuple(reactor.triggers):
        trigger()


@ensureDeferred
async def test_every_address_is_told_with_the_port_that_was_asked_for() -> None:
    reactor = ClockedReactor()
    names = Names(reactor, Book(V6, V4))
    assert verifyObject(IHostnameResolver, names)
    asker = Asker(names, "up.test", 8080)
    assert verifyObject(IHostResolution, asker.resolution)
    assert asker.began == [asker.resolution]
    assert asker.resolution.name == "up.test"
    assert await asker.done == [
        IPv6Address("TCP", "2001:db8::7", 8080, 0, 3),
        IPv4Address("TCP", "192.0.2.7", 8080),
    ]
    # Known by now: the answer is there at once, in the form that is asked for.
    only = Asker(names, "up.test", 53, addressTypes=[IPv4Address], transportSemantics="UDP")
    assert only.done.result == [IPv4Address("UDP", "192.0.2.7", 53)]
    end(reactor)


@ensureDeferred
async def test_all_who_ask_for_a_name_share_one_look_up() -> None:
    reactor = ClockedReactor()
    book = Book(V4)
    names = Names(reactor, book)
    gate = book.hang("up.test")
    askers = [Asker(names, "up.test", port) for port in range(300)]
    gate.set()
    assert [(await asker.done)[0].port for asker in askers] == list(range(300))
    assert book.asked == ["up.test"]
    end(reactor)


@pytest.mark.parametrize(
    ("found", "kept"),
    [((V4,), module.NAME_SECONDS), ((), module.NO_NAME_SECONDS)],
    ids=["found", "not found"],
)
@ensureDeferred
async def test_an_answer_is_kept_for_a_moment(found: tuple[Found, ...], kept: float) -> None:
    reactor = ClockedReactor()
    book = Book(*found)
    names = Names(reactor, book)
    await Asker(names, "up.test").done
    reactor.advance(kept - 0.01)
    assert Asker(names, "up.test").done.called
    assert len(book.asked) == 1
    reactor.advance(0.02)
    again = Asker(names, "up.test")
    assert not again.done.called
    await again.done
    assert len(book.asked) == 2
    end(reactor)


@ensureDeferred
async def test_a_clock_that_was_set_back_keeps_no_answer_for_longer() -> None:
    reactor = ClockedReactor()
    reactor.rightNow = 10_000.0
    book = Book(V4)
    names = Names(reactor, book)
    await Asker(names, "up.test").done
    reactor.rightNow -= 3600
    await Asker(names, "up.test").done
    assert len(book.asked) == 2
    end(reactor)


@pytest.mark.parametrize(
    "error", [socket.gaierror(-2, "unknown"), UnicodeError("label too long"), KeyError(1)]
)
@ensureDeferred
async def test_whatever_a_look_up_fails_with_there_is_no_address(error: Exception) -> None:
    reactor = ClockedReactor()
    book = Book(V4)
    book.error = error
    assert await Asker(Names(reactor, book), "up.test").done == []
    end(reactor)


@ensureDeferred
async def test_dead_names_hold_up_no_other() -> None:
    """Thirty of them, each asked for ten times: three times what Twisted's own threads can do at once."""
    reactor = ClockedReactor()
    book = Book(V4)
    names = Names(reactor, book)
    dead = [f"dead{number}.test" for number in range(30)]
    gate = book.hang(*dead)
    askers = [Asker(names, name) for name in dead for _ in range(10)]
    assert await Asker(names, "up.test").done
    assert not any(asker.done.called for asker in askers)
    assert sorted(book.asked) == sorted([*dead, "up.test"])
    gate.set()
    for asker in askers:
        await asker.done
    end(reactor)


@ensureDeferred
async def test_who_gives_up_hears_nothing_and_leaves_the_look_up_to_the_others() -> None:
    reactor = ClockedReactor()
    book = Book(V4)
    names = Names(reactor, book)
    gate = book.hang("up.test")
    gone, stays = Asker(names, "up.test"), Asker(names, "up.test")
    gone.resolution.cancel()
    late = Asker(names, "up.test")
    late.resolution.cancel()
    gate.set()
    assert await stays.done
    assert not gone.done.called
    assert not late.done.called
    assert book.asked == ["up.test"]
    stays.resolution.cancel()  # after its end: nothing happens
    end(reactor)


@ensureDeferred
async def test_nothing_is_kept_of_who_gave_up() -> None:
    reactor = ClockedReactor()
    book = Book(V4)
    names = Names(reactor, book)
    gate = book.hang("up.test")
    asker = Asker(names, "up.test")
    left = weakref.ref(asker.resolution)
    asker.resolution.cancel()
    asker.began.clear()
    del asker.resolution
    assert left() is None
    gate.set()
    await Asker(names, "up.test").done
    end(reactor)


@ensureDeferred
async def test_a_look_up_that_all_have_left_is_still_the_only_one() -> None:
    reactor = ClockedReactor()
    book = Book(V4)
    names = Names(reactor, book)
    gate = book.hang("up.test")
    for _ in range(5):
        Asker(names, "up.test").resolution.cancel()
    last = Asker(names, "up.test")
    gate.set()
    await last.done
    assert book.asked == ["up.test"]
    end(reactor)


@ensureDeferred
async def test_an_asker_that_is_answered_may_make_another_give_up() -> None:
    reactor = ClockedReactor()
    book = Book(V4)
    names = Names(reactor, book)
    gate = book.hang("up.test")
    first, second, third = (Asker(names, "up.test") for _ in range(3))
    first.done.addCallback(lambda _heard: second.resolution.cancel())
    reactor.callFromThread(gate.set)
    assert await third.done
    assert first.done.called
    assert not second.done.called
    end(reactor)


@ensureDeferred
async def test_a_look_up_that_hangs_for_good_is_begun_again_in_the_end() -> None:
    reactor = ClockedReactor()
    book = Book(V4)
    names = Names(reactor, book)
    gate = book.hang("up.test")
    hung = Asker(names, "up.test")
    reactor.advance(module.LOOKUP_SECONDS)
    assert await hung.done == []
    del book.gates["up.test"]
    reactor.advance(module.NO_NAME_SECONDS)
    assert await Asker(names, "up.test").done
    gate.set()
    end(reactor)


@ensureDeferred
async def test_a_look_up_that_cannot_begin_is_one_that_found_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    reactor = ClockedReactor()
    names = Names(reactor, Book(V4))

    def no_more(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", no_more)
    assert await Asker(names, "up.test").done == []


@ensureDeferred
async def test_not_more_names_are_remembered_than_the_limit_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_KEPT_NAMES", 2)
    reactor = ClockedReactor()
    book = Book(V4)
    names = Names(reactor, book)
    for name in ("a.test", "b.test", "c.test"):
        await Asker(names, name).done
    assert Asker(names, "b.test").done.called
    assert Asker(names, "c.test").done.called
    again = Asker(names, "a.test")
    assert not again.done.called
    await again.done
    end(reactor)


def test_the_system_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def answer(*how: Any, **more: Any) -> list[Any]:
        asked.append((how, more))
        kind = socket.SOCK_STREAM
        return [
            (socket.AF_INET6, kind, 6, "", ("2001:db8::7", 0, 0, 3)),
            (socket.AF_INET, kind, 6, "", ("192.0.2.7", 0)),
            (socket.AF_UNIX, kind, 0, "", "/not/an/address"),
        ]

    monkeypatch.setattr(socket, "getaddrinfo", answer)
    assert look_up("up.test") == [V6, V4]
    assert asked == [(("up.test", None), {"type": socket.SOCK_STREAM})]


HUNG = """
import socket, threading
begun = threading.Semaphore(0)
def hang(*asked, **more):
    begun.release()
    threading.Event().wait()
socket.getaddrinfo = hang
from pomerium_tw.transport import client_endpoint, install_reactor
install_reactor()
install_reactor()
from twisted.internet import reactor
from twisted.internet.protocol import Factory
for number in range(20):
    client_endpoint(reactor, f"dead{number}.test", 80).connect(Factory()).addErrback(lambda _failure: None)
def stop():
    for _ in range(20):
        assert begun.acquire(timeout=10)
    reactor.stop()
reactor.callWhenRunning(stop)
reactor.run()
print("stopped")
"""


def test_look_ups_that_never_end_keep_no_process_alive() -> None:
    done = subprocess.run(
        [sys.executable, "-c", HUNG], capture_output=True, text=True, timeout=30, check=False
    )
    assert (done.stdout, done.returncode) == ("stopped\n", 0), done.stderr
