"""``pomerium-tw demo`` as a process: the whole proxy, from the first line to the last signal."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from pomerium_tw.verify import fetch_document

from .test_run import taken


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "pomerium_tw.cli", "demo", *arguments]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--address", "192.0.2.1"], "loopback addresses only"),
        (["--port", "70000"], "70000 is no port"),
        (["--state-dir", "/dev/null/state"], "cannot be used"),
    ],
)
def test_a_mistake_is_one_sentence(tmp_path: Path, arguments: list[str], said: str) -> None:
    ended = subprocess.run(
        command("--state-dir", str(tmp_path), *arguments),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 1
    assert said in ended.stderr
    assert "Traceback" not in ended.stderr + ended.stdout


def test_it_runs_until_ended_and_keeps_ca_and_secrets(tmp_path: Path) -> None:
    kept: list[dict[str, bytes]] = []
    for _ in range(2):
        with taken() as port:
            run_once(tmp_path, port)
        names = ("ca.pem", "server.pem", "secrets.json", "idp-key.pem")
        kept.append({name: (tmp_path / name).read_bytes() for name in names})
    assert kept[0] == kept[1]


def run_once(state_dir: Path, port: int) -> None:
    """Start with a taken port, ask through the front door, end it."""
    running = subprocess.Popen(
        command("--state-dir", str(state_dir), "--port", str(port)),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "COLUMNS": "200", "ADDRESS": "192.0.2.1:1"},
    )
    try:
        said = ""
        assert running.stdout is not None
        for line in running.stdout:
            said += line
            if "Ctrl-C" in line:
                break
        used = re.search(rf"Port {port} is taken: using (\d+)", said)
        assert used, said
        front = f"https://public.localhost:{used.group(1)}"
        verdict = json.loads(fetch_document(f"{front}/json", ca_file=str(state_dir / "ca.pem")))
        assert verdict["verdict"] == "verified", verdict
        assert verdict["host"] == "public.localhost"
    finally:
        running.terminate()  # SIGINT is ignored in the background of a shell
        rest, _ = running.communicate(timeout=60)
    assert running.returncode == 0
    assert "Traceback" not in rest
