"""Lines are gathered, written in batches, and never in the way."""

from __future__ import annotations

import os

import pytest
from twisted.internet.task import Clock

from pomerium_tw.telemetry import LineWriter, lines
from pomerium_tw.telemetry.lines import BATCH
from tests.logs import AtOnce

from .values import Sink


def test_lines_are_written_together_after_a_fifth_of_a_second() -> None:
    sink = Sink()
    sink.writer.line("1\n")
    sink.clock.advance(0.19)
    sink.writer.line("2\n")
    assert sink.writes == []
    sink.clock.advance(0.01)
    assert sink.writes == [b"1\n2\n"]
    sink.writer.line("3\n")
    sink.clock.advance(0.2)
    assert sink.writes == [b"1\n2\n", b"3\n"]
    assert sink.clock.getDelayedCalls() == []


def test_a_full_batch_is_written_as_soon_as_the_turns_answers_are_sent() -> None:
    sink = Sink()
    for _ in range(BATCH - 1):
        sink.writer.line("x\n")
    sink.clock.advance(0)
    assert sink.writes == []
    for _ in range(BATCH):
        sink.writer.line("x\n")
    assert sink.writes == [], "the rest of the turn comes first"
    sink.clock.advance(0)
    assert sink.writes == [b"x\n" * (2 * BATCH - 1)]
    assert sink.clock.getDelayedCalls() == [], "nothing waits any more"


def test_lines_are_written_out_when_the_batch_is_due_in_their_order() -> None:
    sink = Sink()
    made: list[int] = []

    def number(value: int) -> str:
        made.append(value)
        return f"{value}\n"

    sink.writer.later(number, 1)
    sink.writer.line("2\n")
    sink.writer.later(number, 3)
    assert made == []
    sink.clock.advance(0.2)
    assert sink.text == "1\n2\n3\n"


def test_a_line_that_cannot_be_made_costs_no_other() -> None:
    sink = Sink()

    def broken() -> str:
        raise ValueError("no line")

    sink.writer.line("1\n")
    sink.writer.later(broken)
    sink.writer.line("2\n")
    sink.clock.advance(0.2)
    assert sink.text == "1\n2\n"
    assert sink.writer.dropped_lines == 1


def test_what_a_write_leaves_is_written_next() -> None:
    written: list[bytes] = []

    def slowly(_fd: int, data: bytes) -> int:
        written.append(data[:3])
        return len(written[-1])

    writer = LineWriter(AtOnce(1, slowly), Clock())
    writer.line("abcdefg\n")
    writer.flush()
    assert written == [b"abc", b"def", b"g\n"]
    assert writer.dropped_lines == 0


def test_lines_that_cannot_be_written_are_counted_and_the_next_ones_written() -> None:
    sink = Sink()
    sink.room = 0
    for _ in range(3):
        sink.writer.line("lost\n")
    sink.writer.flush()
    assert sink.writer.dropped_lines == 3
    sink.room = None
    sink.writer.line("kept\n")
    sink.writer.flush()
    assert sink.text == "kept\n"
    assert sink.writer.dropped_lines == 3


def test_lost_lines_are_told_as_soon_as_the_log_takes_lines_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told: list[int] = []
    monkeypatch.setattr(lines.log, "warn", lambda _format, count: told.append(count))
    sink = Sink()
    sink.room = 0
    for _ in range(3):
        sink.writer.line("lost\n")
        sink.writer.flush()
    assert told == []
    sink.room = None
    for _ in range(2):
        sink.writer.line("kept\n")
        sink.writer.flush()
    assert told == [3]


def test_a_line_cut_off_by_a_full_disk_does_not_swallow_the_next_one() -> None:
    sink = Sink()
    sink.room = 7
    for line in ("one\n", "three\n", "four\n"):
        sink.writer.line(line)
    sink.writer.flush()
    assert (sink.text, sink.writer.dropped_lines) == ("one\nthr", 2)
    sink.writer.line("five\n")
    sink.writer.flush()
    assert sink.writer.dropped_lines == 3, "the disk is still full"
    sink.room = None
    sink.writer.line("six\n")
    sink.writer.line("seven\n")
    sink.writer.flush()
    assert sink.text == "one\nthr\nsix\nseven\n"
    assert sink.writer.dropped_lines == 3


def test_a_closed_descriptor_is_a_counted_loss() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    os.close(writing)
    writer = LineWriter(AtOnce(writing), Clock())
    writer.line("x\n")
    writer.flush()
    assert writer.dropped_lines == 1


def test_a_real_descriptor_gets_the_lines() -> None:
    reading, writing = os.pipe()
    writer = LineWriter(AtOnce(writing), Clock())
    writer.line("x\n")
    writer.line("y\n")
    writer.flush()
    assert os.read(reading, 100) == b"x\ny\n"
    os.close(reading)
    os.close(writing)
