"""Everything else that happens, as JSON lines."""

from __future__ import annotations

import subprocess
import sys

import pytest
from twisted.internet import tcp
from twisted.logger import Logger, LogLevel
from twisted.python.failure import Failure

from pomerium_tw.telemetry.events import JSONObserver
from pomerium_tw.transport.eager import EagerPort

from .values import STARTED, Sink

SECRET = "only in a variable"


def test_an_event_is_one_line_with_its_message_formatted() -> None:
    sink = Sink()
    log = Logger("pomerium.test", observer=JSONObserver(sink.writer))
    log.info("one\r\n{what} \u2028", what="\x1b[31m", request_id="5f1c")
    line = sink.line()
    assert line.pop("time")
    assert line == {
        "level": "info",
        "message": "one\r\n\x1b[31m \u2028",
        "logger": "pomerium.test",
        "request-id": "5f1c",
    }


def test_an_event_says_whose_it_is_where_it_knows() -> None:
    sink = Sink()
    log = Logger("pomerium.test", observer=JSONObserver(sink.writer))
    log.info("a connection was closed", ip="192.0.2.7")
    assert sink.line()["ip"] == "192.0.2.7"


def fail_with(secret: str) -> None:
    assert secret
    raise ValueError("it broke")


def test_a_failure_shows_where_it_happened_and_no_variables() -> None:
    sink = Sink()
    log = Logger("pomerium.test", observer=JSONObserver(sink.writer))
    try:
        fail_with(SECRET)
    except ValueError:
        log.failure("no luck")
    line = sink.line()
    assert (line["level"], line["message"], line["error"]) == ("critical", "no luck", "ValueError: it broke")
    assert "test_events.py" in line["traceback"]
    assert "fail_with" in line["traceback"]
    assert SECRET not in sink.text


def test_a_failure_with_captured_variables_shows_none_either() -> None:
    sink = Sink()
    try:
        fail_with(SECRET)
    except ValueError:
        failure = Failure(captureVars=True)
    JSONObserver(sink.writer)({"log_level": LogLevel.critical, "log_format": "x", "log_failure": failure})
    assert "traceback" in sink.line()
    assert SECRET not in sink.text


@pytest.mark.parametrize(("level", "at_once"), [("info", False), ("warn", True), ("error", True)])
def test_warnings_and_worse_are_not_held_back(level: str, at_once: bool) -> None:
    sink = Sink()
    JSONObserver(sink.writer)(
        {"log_level": LogLevel.lookupByName(level), "log_format": "x", "log_time": STARTED}
    )
    assert bool(sink.writes) is at_once
    assert sink.line()["time"] == "2026-01-31T23:59:59.500Z"


def test_an_event_that_cannot_be_formatted_is_still_a_line() -> None:
    sink = Sink()
    JSONObserver(sink.writer)({"log_level": LogLevel.info, "log_format": "{missing}"})
    assert "missing" in sink.line()["message"]


def levels_written(level: str, logger: str = "x") -> list[str]:
    """What a process of its own writes: the beginning of logging is global."""
    script = (
        "import json, sys\n"
        "from twisted.internet.task import Clock\n"
        "from twisted.logger import Logger\n"
        "from pomerium_tw.telemetry import LineWriter, LogThread, start_logging\n"
        "writer = LineWriter(LogThread(1), Clock())\n"
        "start_logging(writer, sys.argv[1])\n"
        "log = Logger(sys.argv[2])\n"
        "for name in ('debug', 'info', 'warn', 'error', 'critical'):\n"
        "    getattr(log, name)(name)\n"
        "writer.flush()\n"
    )
    answer = subprocess.run(
        [sys.executable, "-c", script, level, logger], capture_output=True, text=True, check=True
    )
    assert answer.stderr == ""
    return [line.partition('"level":"')[2].partition('"')[0] for line in answer.stdout.splitlines()]


@pytest.mark.parametrize(
    ("level", "written"),
    [
        ("debug", ["debug", "info", "warn", "error", "critical"]),
        ("warn", ["warn", "error", "critical"]),
        ("disabled", ["critical"]),
    ],
)
def test_events_below_the_chosen_level_are_not_written(level: str, written: list[str]) -> None:
    assert levels_written(level) == written


@pytest.mark.parametrize("port", [tcp.Port, EagerPort])
def test_accepting_connections_says_nothing_less_than_a_warning(port: type[tcp.Port]) -> None:
    assert levels_written("info", port._logger.namespace) == ["warn", "error", "critical"]
