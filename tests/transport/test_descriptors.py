from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import pytest

from pomerium_tw.transport.descriptors import raise_descriptor_limit


@pytest.mark.parametrize(
    ("soft", "hard", "wanted", "limit", "said"),
    [
        (1024, 4096, 2000, 2000, 2000),
        (1024, 4096, 100_000, 4096, 4096),
        (1024, 4096, 500, 1024, 1024),
        (1024, resource.RLIM_INFINITY, 100_000, 100_000, 100_000),
        (resource.RLIM_INFINITY, resource.RLIM_INFINITY, 100_000, resource.RLIM_INFINITY, 100_000),
        (4096, 4096, 100_000, 4096, 4096),
    ],
)
def test_the_limit_is_raised_as_far_as_it_may(  # noqa: PLR0917 (a table)
    monkeypatch: pytest.MonkeyPatch, soft: int, hard: int, wanted: int, limit: int, said: int
) -> None:
    now = [soft, hard]
    monkeypatch.setattr(resource, "getrlimit", lambda _what: tuple(now))
    monkeypatch.setattr(resource, "setrlimit", lambda _what, limits: now.__setitem__(slice(None), limits))
    assert raise_descriptor_limit(wanted) == said
    assert now == [limit, hard]


def test_a_system_that_refuses_is_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_what: int, _limits: tuple[int, int]) -> None:
        raise ValueError("not allowed to raise maximum limit")

    monkeypatch.setattr(resource, "getrlimit", lambda _what: (1024, 4096))
    monkeypatch.setattr(resource, "setrlimit", refuse)
    assert raise_descriptor_limit(4000) == 1024


CLOSED = """
import os, stat, sys
from pomerium_tw.transport import install_reactor
install_reactor()
null = os.stat(os.devnull).st_rdev
with open(sys.argv[1], "w") as told:
    told.write(str([os.fstat(number).st_rdev == null for number in (0, 1, 2)]))
"""


@pytest.mark.parametrize("closing", ["1>&-", "0<&- 1>&- 2>&-"])
def test_no_connection_and_no_file_takes_the_place_of_a_closed_standard_output(
    tmp_path: Path, closing: str
) -> None:
    started = ["sh", "-c", f'exec "$@" </dev/null 2>/dev/null {closing}', "sh", sys.executable, "-c", CLOSED]
    subprocess.run([*started, str(tmp_path / "told")], check=True, timeout=30)
    assert (tmp_path / "told").read_text("utf-8") == "[True, True, True]"


def test_standard_descriptors_that_are_open_stay_what_they_are(tmp_path: Path) -> None:
    with (tmp_path / "out").open("wb") as out:
        subprocess.run(
            [sys.executable, "-c", CLOSED, str(tmp_path / "told")], check=True, stdout=out, timeout=30
        )
    assert "False" in (tmp_path / "told").read_text("utf-8")
