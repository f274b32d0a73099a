"""atheris looks for bytes that break the properties: some seconds here, an hour by ``make soak``."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.differential.oddities import oddities

SECONDS = 3600 if "SOAK" in os.environ else 3
ROOT = Path(__file__).parents[2]


def seeds(kind: str) -> list[bytes]:
    """Header blocks, or bodies, of requests that are odd already."""
    split = [oddity.data.partition(b"\r\n\r\n") for oddity in oddities()]
    if kind == "chunks":
        return [body for _, _, body in split if body]
    return [head.partition(b"\r\n")[2] + b"\r\n" for head, _, _ in split]


@pytest.mark.parametrize("kind", ["head", "chunks"])
def test_no_bytes_are_found_that_break_it(kind: str, tmp_path: Path) -> None:
    if importlib.util.find_spec("atheris") is None:
        if os.environ.get("CI") == "true":
            pytest.fail("atheris is missing, and in CI it must not be")
        pytest.skip("there is no atheris for this Python or this machine")
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    for number, seed in enumerate(seeds(kind)):
        (corpus / str(number)).write_bytes(seed)
    options = [f"-max_total_time={SECONDS}", "-max_len=4096", "-timeout=5", f"-artifact_prefix={tmp_path}/"]
    done = subprocess.run(
        [sys.executable, "-m", "tests.fuzz", kind, *options, str(corpus)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=SECONDS + 60,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "DONE" in done.stderr or "Done" in done.stderr, done.stderr[-3000:]
