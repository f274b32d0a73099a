"""Reloading under real traffic (spec/threats PO-08, PO-09)."""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Event
from typing import Any

import pytest
import trustme
from pytest_twisted import ensureDeferred
from twisted.internet import reactor as installed
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.task import Clock, deferLater
from twisted.logger import formatEvent, globalLogPublisher
from twisted.web.client import Agent, HTTPConnectionPool
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Site

from pomerium_tw.config import Loaded, load
from pomerium_tw.service import PomeriumService, make_service, run
from pomerium_tw.service.reloading import RELOAD_SECONDS, HangUp, kept_of
from pomerium_tw.telemetry import LineWriter
from pomerium_tw.transport import ThreadsTimeoutError
from tests.logs import AtOnce

from .test_run import _Local

reactor: Any = installed
IN_FLIGHT = 1000
CERTIFICATE = trustme.CA().issue_cert("app.example.com")
OPEN = "{allow: {or: [accept: 1]}}"
CLOSED = "{allow: {or: [accept: 1]}, deny: {or: [accept: 1]}}"


class Slow(Resource):
    """Answers when it is told to."""

    isLeaf = True

    def __init__(self) -> None:
        super().__init__()
        self.waiting: list[Any] = []
        self.full: Deferred[None] = Deferred()

    def render_GET(self, request: Any) -> int:
        self.waiting.append(request)
        if len(self.waiting) == IN_FLIGHT:
            self.full.callback(None)
        return NOT_DONE_YET

    def release(self) -> None:
        for request in self.waiting:
            request.finish()
        self.waiting.clear()


class Running:
    """A service behind which the slow upstream stands, with what it logs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.upstream = Slow()
        self.port = reactor.listenTCP(0, Site(self.upstream), IN_FLIGHT, "127.0.0.1")
        self.logged = b""
        self.pool = HTTPConnectionPool(reactor, persistent=False)

    def write(self, policy: str, more: str = "") -> str:
        file = self.folder / "c.yaml"
        file.write_text(
            f"state_dir: {self.folder}\naddress: 127.0.0.1:0\ninsecure_server: true\n"
            "databroker_storage_type: memory\nroutes:\n"
            f"  - from: https://app.example.com\n    to: http://127.0.0.1:{self.port.getHost().port}\n"
            f"    timeout: 0s\n    policy: {policy}\nmax_connections_per_client: 0\n{more}",
            "utf-8",
        )
        return str(file)

    def log(self, _descriptor: int, data: bytes) -> int:
        self.logged += data
        return len(data)

    async def start(self, policy: str) -> None:
        service = make_service(self.write(policy), {}, writer=LineWriter(AtOnce(1, self.log), reactor))
        assert isinstance(service, PomeriumService)
        self.service = service
        service.startService()
        await service.ready

    async def stop(self) -> None:
        await self.service.stopService()
        await self.port.stopListening()

    def ask(self) -> Deferred[Any]:
        agent = Agent.usingEndpointFactory(reactor, _Local(self.service.port_number, False), self.pool)
        return agent.request(b"GET", b"http://app.example.com/")

    def decisions(self) -> set[tuple[int, bool, bool]]:
        """(version of the route, allow, deny) of every decision in the log."""
        lines = [json.loads(line) for line in self.logged.splitlines()]
        found = [line for line in lines if line.get("message") == "authorize check"]
        return {(line["route-checksum"], line["allow"], line["deny"]) for line in found}


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    # A request in flight has two sockets here, one in the upstream, one in the client.
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 5 * IN_FLIGHT)), hard))
    yield Running(tmp_path)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@ensureDeferred
async def test_each_request_is_decided_wholly_by_one_version(running: Running) -> None:
    await running.start(OPEN)
    before = [running.ask() for _ in range(IN_FLIGHT)]
    await running.upstream.full
    running.write(CLOSED)
    old = running.service._generation
    assert await running.service.reload() == ()
    assert [endpoint._closed for cluster in old.clusters for endpoint in cluster.endpoints] == [True]
    after = await gatherResults([running.ask() for _ in range(50)])
    assert {response.code for response in after} == {403}
    running.upstream.release()
    assert {response.code for response in await gatherResults(before)} == {200}
    await running.stop()
    versions = running.decisions()
    assert {(allow, deny) for _version, allow, deny in versions} == {(True, False), (True, True)}
    assert len(versions) == len({version for version, _allow, _deny in versions}) == 2


@ensureDeferred
async def test_a_bad_file_changes_nothing_and_says_where(running: Running) -> None:
    await running.start(CLOSED)
    running.write("{allow: {or: [acept: 1]}}")
    problems = await running.service.reload()
    assert [str(each).rpartition("/")[2] for each in problems] == [
        "c.yaml:9:27: unknown policy criterion: acept"
    ]
    assert (await running.ask()).code == 403
    running.write(CLOSED.replace("deny", "deni"))
    assert await running.service.reload()
    (running.folder / "c.yaml").unlink()
    assert await running.service.reload()
    assert (await running.ask()).code == 403
    await running.stop()
    assert len(running.decisions()) == 1


@ensureDeferred
async def test_what_is_made_once_for_a_process_stays_and_is_named(
    running: Running,
) -> None:
    await running.start(CLOSED)
    said: list[str] = []
    running.write(OPEN, "cookie_name: other\n")

    def observer(event: Any) -> None:
        said.append(formatEvent(event))

    globalLogPublisher.addObserver(observer)
    try:
        assert await running.service.reload() == ()
    finally:
        globalLogPublisher.removeObserver(observer)
    assert any("cookie_name takes effect with the next start" in line for line in said)
    assert not any("address takes effect" in line for line in said)
    assert running.service._loaded.settings.cookie_name == "_pomerium"
    await running.stop()


@ensureDeferred
async def test_the_redirect_listener_takes_over_what_can_change(running: Running) -> None:
    await running.start(CLOSED)
    redirects = running.service._redirects
    assert (redirects.timeouts.head, redirects.timeouts.idle) == (10, 300)
    running.write(CLOSED, "timeout_header: 2s\ntimeout_idle: 7s\n")
    assert await running.service.reload() == ()
    assert (redirects.timeouts.head, redirects.timeouts.idle) == (2, 7)
    running.write("{allow: {or: [acept: 1]}}", "timeout_header: 5s\n")
    assert await running.service.reload()
    assert redirects.timeouts.head == 2
    await running.stop()


@ensureDeferred
async def test_sighup_reloads(running: Running) -> None:
    before = signal.getsignal(signal.SIGHUP)
    await running.start(CLOSED)
    earlier = running.service._generation.number
    running.write(OPEN)
    os.kill(os.getpid(), signal.SIGHUP)
    while running.service._generation.number == earlier:
        await deferLater(reactor, 0)
    pending = running.ask()
    while not running.upstream.waiting:
        await deferLater(reactor, 0)
    running.upstream.release()
    assert (await pending).code == 200
    await running.stop()
    assert signal.getsignal(signal.SIGHUP) is before


@ensureDeferred
async def test_requests_are_answered_while_a_newer_configuration_is_read(running: Running) -> None:
    await running.start(CLOSED)
    running.write(OPEN)
    begun, answered = Event(), Event()
    source = running.service._source
    interval = sys.getswitchinterval()

    def slow() -> Loaded:
        begun.set()
        assert sys.getswitchinterval() < interval
        assert answered.wait(10)
        return source()

    running.service._source = slow
    reloaded = running.service.reload()
    while not begun.is_set():
        await deferLater(reactor, 0)
    assert (await running.ask()).code == 403
    assert not reloaded.called
    answered.set()
    assert await reloaded == ()
    assert sys.getswitchinterval() == interval
    pending = running.ask()
    while not running.upstream.waiting:
        await deferLater(reactor, 0)
    running.upstream.release()
    assert (await pending).code == 200
    await running.stop()


@ensureDeferred
async def test_a_reload_that_the_end_overtakes_changes_nothing(running: Running) -> None:
    await running.start(CLOSED)
    stopping, source = Event(), running.service._source

    def slow() -> Loaded:
        assert stopping.wait(10)
        return source()

    running.service._source = slow
    reloaded = running.service.reload()
    stopped = running.stop()
    stopping.set()
    await stopped
    assert await reloaded == ()
    assert running.service._generation.number == 1


@ensureDeferred
async def test_a_reload_that_never_ends_holds_up_no_later_one(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "BUILD_LIMIT", 0.01)
    await running.start(CLOSED)
    never, source = Event(), running.service._source

    def stuck() -> Loaded:
        never.wait(10)
        return source()

    running.service._source = stuck
    with pytest.raises(ThreadsTimeoutError):
        await running.service.reload()
    monkeypatch.setattr(run, "BUILD_LIMIT", 10)
    running.service._source = source
    interval = sys.getswitchinterval()
    assert await running.service.reload() == ()
    assert sys.getswitchinterval() > interval, "the usual one again, though the first still runs"
    never.set()
    await running.stop()
    assert running.service._generation.number == 2


@ensureDeferred
async def test_a_fault_of_ours_in_a_reload_is_logged_and_changes_nothing(running: Running) -> None:
    await running.start(CLOSED)
    said: list[str] = []
    source = running.service._source

    def broken() -> Loaded:
        raise ArithmeticError

    def observer(event: Any) -> None:
        said.append(formatEvent(event))

    running.service._source = broken
    globalLogPublisher.addObserver(observer)
    try:
        os.kill(os.getpid(), signal.SIGHUP)
        while not any("nothing was changed" in line for line in said):
            await deferLater(reactor, 0)
    finally:
        globalLogPublisher.removeObserver(observer)
    assert (await running.ask()).code == 403
    running.service._source = source
    assert await running.service.reload() == ()
    await running.stop()


@ensureDeferred
async def test_certificates_that_did_not_change_are_not_named(running: Running, tmp_path: Path) -> None:
    (tmp_path / "chain.pem").write_bytes(CERTIFICATE.cert_chain_pems[0].bytes())
    (tmp_path / "key.pem").write_bytes(CERTIFICATE.private_key_pem.bytes())
    keys = "certificate_file: chain.pem\ncertificate_key_file: key.pem\n"
    running.write(CLOSED, keys)
    first = load(running.folder / "c.yaml", {})
    again, said = kept_of(first.settings, load(running.folder / "c.yaml", {}))
    assert said == ()
    assert again.settings.certificate_key_file is first.settings.certificate_key_file
    other = load(Path(running.write(CLOSED)), {})
    assert [each.message.split()[0] for each in kept_of(first.settings, other)[1]] == [
        "certificate_file",
        "certificate_key_file",
    ]
    await running.port.stopListening()


@ensureDeferred
async def test_a_configuration_without_routes_is_taken_for_a_file_being_written(running: Running) -> None:
    await running.start(CLOSED)
    file = running.folder / "c.yaml"
    whole = file.read_text("utf-8")
    for text in ("", "# nothing yet\n", whole[: whole.index("routes:")], "routes: []\n"):
        file.write_text(text, "utf-8")
        (problem,) = await running.service.reload()
        assert problem.message == "the configuration holds no routes"
        assert (await running.ask()).code == 403
    await running.stop()


class Turns(Clock):
    """A clock with calls of other threads."""

    def callFromThread(self, call: Any) -> None:
        self.callLater(0, call)


@pytest.fixture
def hang_up() -> Iterator[tuple[Turns, list[float], HangUp]]:
    before = signal.getsignal(signal.SIGHUP)
    turns, heard = Turns(), []
    turns.advance(1_000_000)
    listening = HangUp(turns, lambda: heard.append(turns.seconds() - 1_000_000))
    listening.start()
    yield turns, heard, listening
    listening.stop()
    assert signal.getsignal(signal.SIGHUP) is before


def test_signals_are_one_reload_until_it_begins_and_the_next_one_waits(
    hang_up: tuple[Turns, list[float], HangUp],
) -> None:
    turns, heard, _listening = hang_up
    for turn in range(60):
        if turn < 20:
            signal.raise_signal(signal.SIGHUP)
        turns.advance(0.125)
    # One at once, then one a second for as long as they come; the last of them is heard too.
    assert heard == [0.125, 1.125, 2.125, 3.125]


def test_a_signal_during_a_reload_is_another_one_after_it() -> None:
    turns, under_way, said = Turns(), [], []

    def observer(event: Any) -> None:
        said.append(formatEvent(event))

    def heard() -> Deferred[None]:
        under_way.append(Deferred[None]())
        return under_way[-1]

    listening = HangUp(turns, heard)
    listening.start()
    globalLogPublisher.addObserver(observer)
    try:
        for _ in range(3):
            signal.raise_signal(signal.SIGHUP)
            turns.advance(0)
            turns.advance(0)
        assert len(under_way) == 1
        assert said == ["a reload is under way for 0.0 s; another one follows it"]
        under_way[0].callback(None)
        turns.advance(RELOAD_SECONDS - 0.125)
        assert len(under_way) == 1
        turns.advance(0.125)
        assert len(under_way) == 2
        under_way[1].callback(None)
        turns.advance(5)
        assert len(under_way) == 2
    finally:
        globalLogPublisher.removeObserver(observer)
        listening.stop()


def test_a_clock_set_back_delays_no_reload(hang_up: tuple[Turns, list[float], HangUp]) -> None:
    turns, heard, _listening = hang_up
    signal.raise_signal(signal.SIGHUP)
    turns.advance(0)
    turns.rightNow -= 3600
    signal.raise_signal(signal.SIGHUP)
    turns.advance(0)
    turns.advance(RELOAD_SECONDS)
    assert len(heard) == 2


def test_a_reload_that_was_asked_for_ends_with_the_service(
    hang_up: tuple[Turns, list[float], HangUp],
) -> None:
    turns, heard, listening = hang_up
    signal.raise_signal(signal.SIGHUP)
    turns.advance(0)
    signal.raise_signal(signal.SIGHUP)
    turns.advance(0)
    signal.raise_signal(signal.SIGHUP)
    listening.stop()
    turns.advance(5)
    assert len(heard) == 1
    assert not turns.getDelayedCalls()


def test_a_process_that_blocked_the_signal_hears_it_late_and_ignores_it_in_the_end() -> None:
    before = signal.getsignal(signal.SIGHUP)
    turns, heard = Turns(), []
    listening = HangUp(turns, lambda: heard.append(1))
    signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGHUP,))
    try:
        signal.raise_signal(signal.SIGHUP)
        listening.start()
        turns.advance(0)
        turns.advance(0)
        assert heard == [1]
        listening.stop()
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGHUP,))
        signal.signal(signal.SIGHUP, before)


def test_a_handler_that_is_not_pythons_is_no_reason_to_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    set_to: list[Any] = []
    monkeypatch.setattr(signal, "signal", lambda _number, handler: set_to.append(handler))
    hang_up = HangUp(reactor, lambda: None)
    hang_up.start()
    hang_up.stop()
    assert set_to[-1] is signal.SIG_DFL
