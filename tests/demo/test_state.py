"""The state folder and its secrets."""

from __future__ import annotations

import base64
import stat
from pathlib import Path

import pytest

from pomerium_tw.demo import DemoError
from pomerium_tw.demo.idp_key import ensure_idp_key
from pomerium_tw.demo.state import StateFolder, ensure_secrets


def test_an_open_folder_is_closed(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    folder.mkdir(mode=0o755)
    StateFolder(folder)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_folder_that_cannot_be_is_an_error_that_helps(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DemoError, match="--state-dir"):
        StateFolder(tmp_path / "file" / "state")


def test_files_are_replaced_whole_and_private(tmp_path: Path) -> None:
    state = StateFolder(tmp_path)
    (tmp_path / "name").write_text("old")
    (tmp_path / "name").chmod(0o644)
    state.write("name", b"new")
    assert state.read("name") == b"new"
    assert stat.S_IMODE((tmp_path / "name").stat().st_mode) == 0o600
    assert [each.name for each in tmp_path.iterdir()] == ["name"]
    assert state.read("other") is None


def test_a_file_that_cannot_be_read_or_written_is_named(tmp_path: Path) -> None:
    state = StateFolder(tmp_path)
    (tmp_path / "folder").mkdir()
    with pytest.raises(DemoError, match=r"folder cannot be read"):
        state.read("folder")
    with pytest.raises(DemoError, match=r"folder cannot be written"):
        state.write("folder", b"x")
    assert [each.name for each in tmp_path.iterdir()] == ["folder"]


def test_secrets_are_made_once_and_differ(tmp_path: Path) -> None:
    first, second = ensure_secrets(StateFolder(tmp_path)), ensure_secrets(StateFolder(tmp_path))
    values = {first.shared_secret.reveal(), first.cookie_secret.reveal(), first.client_secret.reveal()}
    assert len(values) == 3
    assert {len(base64.b64decode(value)) for value in values} == {32}
    assert first.shared_secret.reveal() == second.shared_secret.reveal()
    assert first.client_secret.reveal_text() not in repr(first)
    assert stat.S_IMODE((tmp_path / "secrets.json").stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"{}", b'{"shared_secret":"x","cookie_secret":"x","client_secret":"x"}']
)
def test_broken_secrets_stop_the_start(tmp_path: Path, content: bytes) -> None:
    state = StateFolder(tmp_path)
    state.write("secrets.json", content)
    with pytest.raises(DemoError, match=r"secrets\.json .* remove it"):
        ensure_secrets(state)


def test_the_providers_key_is_kept(tmp_path: Path) -> None:
    state = StateFolder(tmp_path)
    assert ensure_idp_key(state).private_numbers() == ensure_idp_key(state).private_numbers()
    state.write("idp-key.pem", b"nonsense")
    with pytest.raises(DemoError, match=r"idp-key\.pem"):
        ensure_idp_key(state)
