"""``twistd pomerium`` and ``pomerium-tw run`` as people start them."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from .processes import COMMAND, TWISTD, configured, ended, free_port, running


def test_twistd_starts_it_on_the_lean_reactor(tmp_path: Path) -> None:
    port = free_port()
    with running(*TWISTD, configured(tmp_path, port), cwd=tmp_path, port=port) as written:
        pass
    assert "reactor class: pomerium_tw.transport.lean.LeanEPollReactor." in written[0]
    assert "Traceback" not in written[0]


def test_twistd_keeps_the_reactor_that_it_is_told_to_use(tmp_path: Path) -> None:
    port = free_port()
    chosen = (*TWISTD[:2], "--reactor", "select", *TWISTD[2:])
    with running(*chosen, configured(tmp_path, port), cwd=tmp_path, port=port) as written:
        pass
    assert "reactor class: twisted.internet.selectreactor.SelectReactor." in written[0]


SAYING = (
    "import os, sys, atexit\n"
    "{before}"
    "from pomerium_tw.cli import main\n"
    "def say():\n"
    "    from twisted.internet import reactor\n"
    "    print('runs on', type(reactor).__name__, flush=True)\n"
    "atexit.register(say)\n"
    "main(['run', sys.argv[1]])\n"
)


@pytest.mark.parametrize(
    ("before", "reactor"),
    [
        pytest.param("", "LeanEPollReactor", id="with epoll"),
        pytest.param("import select; del select.epoll\n", "PollReactor", id="without epoll"),
    ],
)
def test_the_command_chooses_the_reactor_by_the_machine(tmp_path: Path, before: str, reactor: str) -> None:
    port = free_port()
    script = SAYING.format(before=before)
    with running("-c", script, configured(tmp_path, port), cwd=tmp_path, port=port) as written:
        pass
    assert f"runs on {reactor}\n" in written[0]
    assert "Traceback" not in written[0]


def test_the_command_writes_json_lines_alone_and_ends_well(tmp_path: Path) -> None:
    port = free_port()
    with running(*COMMAND, configured(tmp_path, port), cwd=tmp_path, port=port) as written:
        pass
    events = [json.loads(line) for line in written[0].splitlines()]
    assert f"listening on 127.0.0.1, port {port}" in {each["message"] for each in events}


@pytest.mark.parametrize("start", [TWISTD, COMMAND], ids=["twistd", "command"])
def test_a_wrong_configuration_is_told_and_nothing_starts(tmp_path: Path, start: tuple[str, ...]) -> None:
    file = configured(tmp_path, 1)
    with Path(file).open("a", encoding="utf-8") as text:
        text.write("adress: x\n")
    status, written = ended(*start, file, cwd=tmp_path)
    assert status == 1
    assert "c.yaml:8:1: there is no key adress\n  did you mean address?" in written
    assert "Traceback" not in written
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize("start", [TWISTD, COMMAND], ids=["twistd", "command"])
def test_a_provider_that_cannot_be_built_is_told_and_nothing_starts(
    tmp_path: Path, start: tuple[str, ...]
) -> None:
    file = configured(tmp_path, 1)
    with Path(file).open("a", encoding="utf-8") as text:
        text.write("idp_provider: oidc\nauthenticate_service_url: https://auth.example.com\n")
        text.write("idp_provider_url: ftp://x\nidp_client_id: c\nidp_client_secret: s\n")
    status, written = ended(*start, file, cwd=tmp_path)
    assert status == 1
    assert "c.yaml:10:19: oidc: " in written
    assert "Traceback" not in written


def test_a_port_in_use_is_one_clear_line_and_exit_1(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        status, written = ended(*COMMAND, configured(tmp_path, port), cwd=tmp_path)
    assert status == 1
    (error,) = [
        line for line in map(json.loads, written.splitlines()) if line["level"] in ("error", "critical")
    ]
    assert error["message"].startswith(f"cannot listen on 127.0.0.1, port {port}: Address already in use. ")
    assert "traceback" not in error


def test_a_state_folder_that_cannot_be_made_is_one_clear_line_and_exit_1(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way", "utf-8")
    status, written = ended(*COMMAND, configured(tmp_path, free_port(), "file/state"), cwd=tmp_path)
    assert status == 1
    (error,) = [
        line for line in map(json.loads, written.splitlines()) if line["level"] in ("error", "critical")
    ]
    assert error["message"].startswith("the databroker cannot be opened: ")
    assert str(tmp_path / "file") in error["message"]
    assert "traceback" not in error


def test_under_twistd_a_store_that_cannot_be_opened_ends_with_exit_1(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way", "utf-8")
    status, written = ended(*TWISTD, configured(tmp_path, free_port(), "file/state"), cwd=tmp_path)
    assert status == 1
    assert "the databroker cannot be opened: " in written
    assert "Traceback" not in written


def test_under_twistd_a_port_in_use_is_one_clear_line_and_exit_1(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        status, written = ended(*TWISTD, configured(tmp_path, port), cwd=tmp_path)
    assert status == 1
    assert f"cannot listen on 127.0.0.1, port {port}: Address already in use. " in written
    assert "Traceback" not in written
