"""A log that nobody reads holds nobody up."""

from __future__ import annotations

import fcntl
import os
import select
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from twisted.internet.task import Clock

from pomerium_tw.telemetry import LineWriter, LogThread
from pomerium_tw.telemetry.log_thread import MAX_WAITING_BYTES

LINE = b"x" * 1023 + b"\n"
BATCH = LINE * 64


class Pipe:
    def __init__(self) -> None:
        self.reading, self.writing = os.pipe()

    def read(self, count: int) -> bytes:
        found = b""
        while len(found) < count:
            assert select.select([self.reading], [], [], 5)[0], f"{count - len(found)} bytes are missing"
            found += os.read(self.reading, count - len(found))
        return found

    def left(self) -> bytes:
        """All that lies in it now."""
        os.set_blocking(self.reading, False)
        found = b""
        with suppress(BlockingIOError):
            while part := os.read(self.reading, 1 << 20):
                found += part
        return found

    def close(self) -> None:
        for fd in (self.reading, self.writing):
            with suppress(OSError):
                os.close(fd)


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    pipe = Pipe()
    yield pipe
    pipe.close()


def test_what_is_put_is_written_in_its_order(pipe: Pipe) -> None:
    log = LogThread(pipe.writing)
    for number in range(100):
        log.put(b"%d\n" % number)
    log.close()
    assert pipe.left() == b"".join(b"%d\n" % number for number in range(100))
    assert (log.lost_lines, log.works) == (0, True)


def test_a_pipe_that_nobody_reads_is_waited_for_by_the_thread_alone(pipe: Pipe) -> None:
    log = LogThread(pipe.writing)
    batches = MAX_WAITING_BYTES // len(BATCH)
    for _ in range(batches + 3):
        log.put(BATCH)
    assert log.lost_lines in (128, 192), "what waits is bounded; a batch may be on its way"
    assert not log.works
    kept = batches + 3 - log.lost_lines // 64
    assert pipe.read(kept * len(BATCH)) == BATCH * kept
    log.put(b"again\n")
    log.close()
    assert pipe.left() == b"again\n"
    assert log.works


def test_the_end_does_not_wait_for_ever(pipe: Pipe, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pomerium_tw.telemetry.log_thread.LAST_SECONDS", 0.01)
    log = LogThread(pipe.writing)
    for _ in range(3):
        log.put(BATCH)
    log.close()
    assert "log" in [thread.name for thread in threading.enumerate()], "it was not waited for"
    assert pipe.read(3 * len(BATCH)) == BATCH * 3


def test_a_descriptor_that_somebody_made_non_blocking_loses_nothing(pipe: Pipe) -> None:
    os.set_blocking(pipe.writing, False)
    capacity = fcntl.fcntl(pipe.writing, fcntl.F_GETPIPE_SZ)
    log = LogThread(pipe.writing)
    for _ in range(2 * capacity // len(LINE)):
        log.put(LINE)
    assert pipe.read(2 * capacity) == LINE * (2 * capacity // len(LINE))
    log.close()
    assert log.lost_lines == 0


def test_a_closed_descriptor_is_a_counted_loss(pipe: Pipe) -> None:
    pipe.close()
    log = LogThread(pipe.writing)
    log.put(b"1\n2\n")
    log.close()
    assert (log.lost_lines, log.works) == (2, False)


FORKED = """
import os
from pomerium_tw.telemetry import LogThread
log = LogThread(1)
log.put(b"before\\n")
log.close()
log.put(b"parent\\n")
child = os.fork()
if child:
    os.waitpid(child, 0)
else:
    log.put(b"child\\n")
"""


def test_a_forked_process_writes_too_and_whoever_ends_has_written() -> None:
    done = subprocess.run([sys.executable, "-c", FORKED], capture_output=True, check=True, timeout=30)
    lines = done.stdout.splitlines()
    assert lines[0] == b"before"
    assert set(lines[1:]) == {b"parent", b"child"}


def test_a_reader_that_was_there_all_the_time_waits_for_nothing(pipe: Pipe) -> None:
    log = LogThread(pipe.writing)
    log.put(b"now\n")
    assert select.select([pipe.reading], [], [], 5)[0], "written without any other line"
    assert os.read(pipe.reading, 100) == b"now\n"
    log.close()


def test_a_file_loses_nothing_however_much_comes_at_once(tmp_path: Path) -> None:
    with (tmp_path / "log").open("wb") as file:
        log = LogThread(file.fileno())
        writer = LineWriter(log, Clock())
        for _ in range(3 * MAX_WAITING_BYTES // len(LINE)):
            writer.line(LINE.decode())
        writer.flush()
        assert writer.dropped_lines == 0
        log.close()
    assert (tmp_path / "log").stat().st_size == 3 * MAX_WAITING_BYTES


def test_a_batch_that_is_too_much_for_any_queue_is_written_all_the_same(pipe: Pipe) -> None:
    log = LogThread(pipe.writing)
    huge = LINE * (2 * MAX_WAITING_BYTES // len(LINE))
    log.put(huge)
    assert pipe.read(len(huge)) == huge
    log.close()
    assert log.lost_lines == 0


def test_a_writer_that_was_closed_has_written_everything(pipe: Pipe) -> None:
    writer = LineWriter(LogThread(pipe.writing), Clock())
    writer.line("1\n")
    writer.close()
    assert pipe.left() == b"1\n"
    writer.line("2\n")
    writer.close()
    assert pipe.left() == b"2\n"
