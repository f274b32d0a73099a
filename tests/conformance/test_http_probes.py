"""The 63 odd requests of ``http-probes.tsv``: each gets the status that our plan gives it (threats §2b)."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import pytest_twisted
from twisted.internet.defer import Deferred

from tests.doors import OnLoopback, guarded, on_loopback

PLAN = {
    "TE xchunked": 501,
    "TE gzip, chunked": 501,
    "TE in HTTP/1.0": 400,
    "trailer": 200,
    "dotdot": 200,
    "//x": 200,
    "version 1.2": 505,
    "version 9.9": 505,
    "lower method": 405,
    "16k header": 200,
    # The limits are Pomerium's: 128 KiB and 1000 lines (proxy §3.6); beyond them it is 431.
    "64k header": 200,
    "600 headers": 200,
    "GET with body": 200,
    # The name with underscores: refused by default, dropped by option (proxy §3.6).
    "underscore hdr": 400,
    "CONNECT": 405,
    "h2c upgrade": 200,
    "h2 preface": 505,
}
"""All others are 400."""
SEEN = {"dotdot": b"/b", "//x": b"/x/y"}


def probes() -> list[tuple[str, bytes]]:
    text = (Path(__file__).parent / "http-probes.tsv").read_text()
    rows = csv.reader(text.splitlines()[1:], delimiter="\t", quoting=csv.QUOTE_NONE)
    return [(row[0], _bytes(row[0], row[1])) for row in rows]


def _bytes(name: str, written: str) -> bytes:
    """The table shortens the three longest: they are made again."""
    if name in {"16k header", "64k header"}:
        return b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * (int(name[:2]) * 1000) + b"\r\n\r\n"
    if name == "600 headers":
        return b"GET / HTTP/1.1\r\nHost: a\r\n" + b"".join(b"X%d: a\r\n" % n for n in range(600)) + b"\r\n"
    return written.encode("latin-1").decode("unicode_escape").encode("latin-1")


@pytest.fixture(scope="module")
def place() -> Iterator[OnLoopback]:
    place, close = on_loopback([guarded("a")])
    yield place
    pytest_twisted.blockon(Deferred.fromCoroutine(close()))


def test_the_table_is_whole() -> None:
    names = [name for name, _ in probes()]
    assert len(names) == 63
    assert set(PLAN) < set(names)


@pytest.mark.parametrize(("name", "sent"), [pytest.param(*probe, id=probe[0]) for probe in probes()])
@pytest_twisted.ensureDeferred
async def test_every_probe_gets_its_status(place: OnLoopback, name: str, sent: bytes) -> None:
    place.upstream.forget()
    caller = await place.call(sent)
    if name == "pipelined pair":
        answers = await caller.answers(2)
        assert [re.match(rb"GET /[12]", answer.body)[0] for answer in answers] == [b"GET /1", b"GET /2"]  # type: ignore[index]
        return
    status = PLAN.get(name, 400)
    assert (await caller.answer()).status == status
    if status == 200:
        assert place.upstream.requests[0].split()[1] == SEEN.get(name, b"/")
    else:
        await caller.end()
        assert place.upstream.requests == []
