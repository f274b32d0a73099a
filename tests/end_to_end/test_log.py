"""The command with a log that nobody reads."""

from __future__ import annotations

import os
import subprocess
import sys
from http.client import HTTPConnection
from pathlib import Path

from tests.running import ROOT, STOP_SECONDS, free_port, wait_for

CONFIG = """
address: 127.0.0.1:{port}
insecure_server: true
state_dir: {folder}/state
routes:
  - from: http://app.localhost
    to: http://127.0.0.1:1
    allow_public_unauthenticated_access: true
"""
REQUESTS = 300
"""Each leaves more than half a kilobyte of log; a pipe holds 64."""


def test_a_log_that_nobody_reads_stops_neither_answers_nor_the_end(tmp_path: Path) -> None:
    port = free_port()
    config = tmp_path / "config.yaml"
    config.write_text(CONFIG.format(port=port, folder=tmp_path))
    reading, writing = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-m", "pomerium_tw.cli", "run", str(config)],
        stdout=writing,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        cwd=tmp_path,
    )
    os.close(writing)
    try:

        def status() -> int | None:
            caller = HTTPConnection("127.0.0.1", port, timeout=5)
            try:
                caller.request("GET", "/", headers={"Host": "nobody.localhost", "User-Agent": "x" * 500})
                return caller.getresponse().status
            except ConnectionRefusedError:
                return None
            finally:
                caller.close()

        wait_for(status, "the front door")
        assert {status() for _ in range(REQUESTS)} == {404}
        process.terminate()
        process.wait(STOP_SECONDS)
    finally:
        process.kill()
        process.wait()
        os.close(reading)
