"""Nobody else reads the database."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from pomerium_tw.databroker import StoreUnavailable
from pomerium_tw.databroker import private_folder as module
from pomerium_tw.databroker.private_folder import make_private


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_new_folder_and_file_are_private_whatever_the_umask(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        assert make_private(tmp_path / "a" / "b" / "db") == ()
    finally:
        os.umask(old)
    assert mode(tmp_path / "a") == 0o700, "whoever may write there could exchange what is in it"
    assert mode(tmp_path / "a" / "b") == 0o700
    assert mode(tmp_path / "a" / "b" / "db") == 0o600


@pytest.mark.parametrize("wide", [0o755, 0o750, 0o701])
def test_an_empty_folder_that_is_open_to_others_is_narrowed(tmp_path: Path, wide: int) -> None:
    folder = tmp_path / "state"
    folder.mkdir()
    folder.chmod(wide)
    (notice,) = make_private(folder / "db")
    assert f"mode {wide:04o}" in notice
    assert mode(folder) == 0o700


def test_our_own_folder_is_narrowed_whatever_else_it_holds(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    make_private(folder / "db")
    (folder / "ca.pem").touch()
    folder.chmod(0o755)
    (notice,) = make_private(folder / "db")
    assert str(folder) in notice
    assert mode(folder) == 0o700


def test_a_folder_of_other_things_is_refused_and_left_alone(tmp_path: Path) -> None:
    folder = tmp_path / "lib"
    folder.mkdir()
    (folder / "other").touch()
    folder.chmod(0o755)
    with pytest.raises(StoreUnavailable, match=f"run `chmod 700 {folder}`"):
        make_private(folder / "db")
    assert mode(folder) == 0o755
    assert not (folder / "db").exists()


def test_a_folder_shared_by_design_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "tmp"
    folder.mkdir()
    folder.chmod(0o1777)
    with pytest.raises(StoreUnavailable, match="mode 1777"):
        make_private(folder / "db")


def test_a_folder_of_somebody_else_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "state"
    folder.mkdir()
    folder.chmod(0o755)
    monkeypatch.setattr(module.os, "geteuid", lambda: folder.stat().st_uid + 1)
    with pytest.raises(StoreUnavailable, match="open to other users"):
        make_private(folder / "db")
    assert mode(folder) == 0o755


def test_a_file_that_is_open_to_others_is_narrowed(tmp_path: Path) -> None:
    database = tmp_path / "state" / "db"
    make_private(database)
    database.chmod(0o644)
    (notice,) = make_private(database)
    assert str(database) in notice
    assert mode(database) == 0o600


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreUnavailable, match=r"state/db cannot be made: .*file"):
        make_private(tmp_path / "file" / "state" / "db")
