"""What the scripts of the checkout ask of a machine."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LIBRARY = "\tlibatomic.so.1 (libc6,x86-64) => /lib/x86_64-linux-gnu/libatomic.so.1"


def machine(folder: Path, programs: dict[str, str]) -> Path:
    """A folder for PATH with small programs, by name and text."""
    for name, text in programs.items():
        program = folder / name
        program.write_text(f"#!/bin/sh\n{text}\n", "utf-8")
        program.chmod(0o755)
    for name in ("sh", "grep", "env"):
        found = next(path for path in (Path("/bin") / name, Path("/usr/bin") / name) if path.exists())
        (folder / name).symlink_to(found)
    return folder


@pytest.mark.parametrize(
    ("chromium", "library", "installed"),
    [
        (True, True, None),
        (True, False, "install -y -qq libatomic1"),
        (False, True, "install -y -qq chromium"),
        (False, False, "install -y -qq chromium libatomic1"),
    ],
)
def test_the_browser_comes_with_the_library_that_its_driver_wants(
    tmp_path: Path, chromium: bool, library: bool, installed: str | None
) -> None:
    programs = {
        "id": "echo 0",
        "ldconfig": f"echo '{LIBRARY if library else ''}'",
        "apt-get": f'echo "$@" >> {tmp_path}/asked',
    }
    if chromium:
        programs["chromium"] = "exit 1"
    (tmp_path / "bin").mkdir()
    path = machine(tmp_path / "bin", programs)
    subprocess.run(
        ["/bin/sh", str(ROOT / "scripts" / "browser")],
        env={"PATH": str(path), "CI": "true"},
        check=True,
        timeout=30,
    )
    asked = tmp_path / "asked"
    assert (asked.read_text("utf-8").splitlines() if asked.exists() else []) == (
        [] if installed is None else ["update -qq", installed]
    )
