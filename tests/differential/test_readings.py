"""What is forwarded is read alike by all real servers, or it is refused and reaches none of them."""

from __future__ import annotations

import os

import pytest

from .oddities import HOST_BYTES, Oddity, oddities
from .place import Place
from .readers import KINDS, Kind

STRICTER = {
    ("aiohttp", "methods"): "knows the registered methods alone",
    ("node", "methods"): "knows the registered methods alone",
    ("gunicorn", "methods"): "wants three letters",
    ("nginx", "methods"): "wants letters and underscores",
    ("gunicorn", "16k header"): "takes 8 KB a line",
    ("gunicorn", "64k header"): "takes 8 KB a line",
    ("hypercorn", "64k header"): "takes 16 KB in all",
    ("gunicorn", "600 headers"): "takes 100",
    ("aiohttp", "600 headers"): "takes 128",
    ("nginx", f"length {b'9' * 18!r}"): "takes 1 MB",
    ("waitress", f"length {b'9' * 18!r}"): "takes 1 GB",
}
"""Readers that refuse what is good HTTP, a family or one: they answer so, and have read nothing."""
ANSWERED_BY_US = ("OPTIONS *",)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_the_reader_is_installed(kind: Kind) -> None:
    if not kind.installed:
        if os.environ.get("CI") == "true":
            pytest.fail(f"{kind.name} is missing, and in CI it must not be: scripts/programs")
        pytest.skip(f"{kind.name} is missing, nothing is compared with it: scripts/programs")


@pytest.mark.parametrize(
    "oddity", [pytest.param(oddity, id=f"{oddity.family}: {oddity.name}") for oddity in oddities()]
)
def test_it_is_read_alike_or_refused(place: Place, oddity: Oddity) -> None:
    plain, *others = place.send(oddity)
    assert all(len(outcome.reader.host) == HOST_BYTES for outcome in [plain, *others])
    fields = [field for reading in plain.readings for field in reading.fields]
    assert not [reading for reading in plain.readings if reading.method == "BROKEN"]
    assert not [name for name, _ in fields if name.startswith("x-pomerium-")]
    if not plain.readings and oddity.name not in ANSWERED_BY_US:
        assert min(plain.statuses, default=400) >= 400
    for other in others:
        stricter = {(other.reader.name, oddity.family), (other.reader.name, oddity.name)} & STRICTER.keys()
        if stricter and not other.readings:
            assert min(other.statuses, default=400) >= 400
        else:
            first = other.reader.name == "nginx"
            understood, meant = other.meanings(first=first), plain.meanings(first=first)
            assert (understood, other.statuses) == (meant, plain.statuses), other.reader.name
