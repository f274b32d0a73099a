"""What ``twistd`` leaves behind, in the foreground and as a daemon."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import time
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from .processes import PATIENCE, TWISTD, configured, ended, free_port, running

IN_FOREGROUND = (*TWISTD[:2], "-n", "pomerium", "--config")
AS_DAEMON = (*TWISTD[:2], "pomerium", "--config")


@pytest.fixture(autouse=True)
def _no_daemon_outlives_its_test(tmp_path: Path) -> Iterator[None]:
    yield
    with suppress(FileNotFoundError, ProcessLookupError):
        os.kill(int((tmp_path / "twistd.pid").read_text("utf-8")), signal.SIGKILL)


def without_logs(folder: Path, port: int, state: str = "state") -> str:
    file = configured(folder, port, state)
    with Path(file).open("a", encoding="utf-8") as text:
        text.write("log_level: warn\n")
    return file


def removed(file: Path) -> bool:
    """Whether it is, in time: nobody is told when a daemon ends."""
    until = time.monotonic() + PATIENCE
    while file.exists() and time.monotonic() < until:
        time.sleep(0.02)
    return not file.exists()


def test_the_lines_of_the_last_requests_are_written(tmp_path: Path) -> None:
    port = free_port()
    with running(*TWISTD, configured(tmp_path, port), cwd=tmp_path, port=port) as written:
        client = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
        for number in range(20):
            client.request("GET", f"/last-{number}", headers={"Host": "a.example.com"})
            client.getresponse().read()
        client.close()
    for number in range(20):
        assert [f'"/last-{number}"' in line for line in written[0].splitlines()].count(True) == 2, (
            "one line of each log"
        )


def test_a_daemon_whose_logs_would_be_lost_is_not_started(tmp_path: Path) -> None:
    status, written = ended(*AS_DAEMON, configured(tmp_path, free_port()), cwd=tmp_path)
    assert status == 1
    last = written.splitlines()[-1]
    assert "the access log and the authorize log would be lost" in last
    assert "start twistd with -n, or turn both off (log_level: warn)" in last
    assert [path.name for path in tmp_path.iterdir()] == ["c.yaml"]


@pytest.mark.parametrize("level", ["log_level", "proxy_log_level"])
def test_one_log_is_enough_to_refuse_a_daemon(tmp_path: Path, level: str) -> None:
    other = {"log_level": "proxy_log_level", "proxy_log_level": "log_level"}[level]
    file = configured(tmp_path, free_port())
    with Path(file).open("a", encoding="utf-8") as text:
        text.write(f"{level}: warn\n{other}: info\n")
    status, written = ended(*AS_DAEMON, file, cwd=tmp_path)
    assert status == 1
    assert "would be lost" in written


def test_a_debugger_is_no_daemon_and_keeps_its_logs(tmp_path: Path) -> None:
    nobody_types = f"import sys; sys.stdin = open('/dev/null'); {TWISTD[1]}"
    file = configured(tmp_path, free_port())
    _status, written = ended("-c", nobody_types, "-b", *AS_DAEMON[2:], file, cwd=tmp_path)
    assert "(Pdb)" in written


def test_a_daemon_without_logs_runs_and_ends_without_a_trace(tmp_path: Path) -> None:
    port = free_port()
    status, written = ended(*AS_DAEMON, without_logs(tmp_path, port), cwd=tmp_path)
    assert (status, written) == (0, "")
    pid_file = tmp_path / "twistd.pid"
    pid = int(pid_file.read_text("utf-8"))
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/ping", timeout=PATIENCE) as answer:
        assert answer.read() == b"OK\n"
    os.kill(pid, signal.SIGTERM)
    assert removed(pid_file)


def test_a_daemon_that_cannot_listen_says_so_to_whoever_started_it(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        status, written = ended(*AS_DAEMON, without_logs(tmp_path, port), cwd=tmp_path)
    assert status == 1
    said = f"cannot listen on 127.0.0.1, port {port}: Address already in use. "
    assert said in written
    assert f"{said}End what listens there, or configure another address" in (
        tmp_path / "twistd.log"
    ).read_text("utf-8")
    assert not (tmp_path / "twistd.pid").exists()


def test_a_port_in_use_leaves_no_file_of_the_process(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        file = configured(tmp_path, taken.getsockname()[1])
        status, written = ended(*IN_FOREGROUND, file, cwd=tmp_path)
    assert status == 1
    assert "Address already in use" in written
    assert not (tmp_path / "twistd.pid").exists()


def test_a_store_that_cannot_be_opened_leaves_no_file_of_the_process(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way", "utf-8")
    status, written = ended(*IN_FOREGROUND, configured(tmp_path, free_port(), "file/state"), cwd=tmp_path)
    assert status == 1
    assert "the databroker cannot be opened" in written
    assert not (tmp_path / "twistd.pid").exists()
