"""What the logs are told in these tests."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from twisted.internet.task import Clock

from pomerium_tw.model import Head, Peer, Request, Target
from pomerium_tw.telemetry import Access, LineWriter
from tests.logs import AtOnce

STARTED = 1_769_903_999.5
"""2026-01-31T23:59:59.500Z."""


class Sink:
    """A log file that can be full; keeps each write."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.clock.advance(STARTED)
        self.writes: list[bytes] = []
        self.room: int | None = None
        """Bytes that may still be written; None is no limit."""
        self.writer = LineWriter(AtOnce(7, self._write), self.clock)

    def _write(self, fd: int, data: bytes) -> int:
        assert fd == 7
        taken = data if self.room is None else data[: self.room]
        if data and not taken:
            raise OSError(28, "No space left on device")
        if self.room is not None:
            self.room -= len(taken)
        self.writes.append(taken)
        return len(taken)

    @property
    def text(self) -> str:
        return b"".join(self.writes).decode()

    def lines(self) -> list[dict[str, Any]]:
        """Every line as JSON, pending ones written first; nothing but ASCII and one line each."""
        self.writer.flush()
        assert self.text.isascii()
        assert not self.text or self.text.endswith("\n")
        return [json.loads(line) for line in self.text.split("\n")[:-1]]

    def line(self) -> dict[str, Any]:
        (only,) = self.lines()
        return only


def request(
    target: bytes = b"/a?b=c",
    fields: tuple[tuple[bytes, bytes], ...] = (),
    host: str = "app.example.com",
    port: int | None = None,
) -> Request:
    path, mark, query = target.partition(b"?")
    head = Head(host=host, port=port, fields=fields, passed=b"")
    return Request(
        "5f1c",
        "GET",
        "https",
        Target(path, path.decode(), query if mark else None),
        head,
        Peer("192.0.2.1", 4000),
    )


def access(exchange: Request | None = None, details: str = "via_upstream") -> Access:
    return Finished(exchange or request(), details)


@dataclass
class Finished:
    """A finished exchange."""

    request: Request
    details: str
    cluster_name: str = "route-1"
    started: float = STARTED
    sent: int = 17
    status: int = 200
    flag: str = ""
