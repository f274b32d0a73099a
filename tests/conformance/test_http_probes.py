"""The 63 odd requests of ``http-probes.tsv``: each gets the status that our plan gives it (threats §2b)."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
import pytest_twisted
from twisted.internet.defer import Deferred

from tests.doors import OnLoopback, guarded, on_loopback

from .http_probes import probes

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
