"""Words that plugins add, found by both doors; and the example of the manual, as an installer leaves it."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
from zope.interface import implementer

from pomerium_tw.policy import BUILT_IN, Branch, ICriterion, criterion, decided
from pomerium_tw.service import installed_criteria

EXAMPLE = Path(__file__).parents[2] / "examples" / "criteria"


@criterion("weekend")
def weekend(now: float) -> bool:
    return now > 0


@criterion("domain")
def usurper(now: float) -> bool:
    return True


@implementer(ICriterion)
class Spelled:
    name = "spelled"
    accepts = "any data"
    schema: dict[str, object] = {}
    reads = frozenset({"path"})

    def prepare(self, criterion: object) -> tuple[Branch, ...]:
        return decided(lambda request, identity: True, "spelled-ok", "spelled-no")


def point(name: str, value: str) -> EntryPoint:
    return EntryPoint(name, value, "pomerium_tw.criteria")


def test_built_in_words_are_there_without_any_plugin() -> None:
    assert dict(installed_criteria([], []).by_name) == dict(BUILT_IN)


def test_both_doors_are_looked_through() -> None:
    points = [point("spelled", "tests.service.test_criteria:Spelled")]
    found = installed_criteria([weekend], []).by_name
    assert found["weekend"] is weekend
    assert "spelled" not in installed_criteria([], points).by_name  # a class is no criterion, its instance is
    found = installed_criteria([], [point("weekend", "tests.service.test_criteria:weekend")]).by_name
    assert found["weekend"] is weekend


def test_a_plugin_cannot_take_a_built_in_word() -> None:
    assert installed_criteria([usurper], []).by_name["domain"] is BUILT_IN["domain"]


def test_a_broken_plugin_is_left_out() -> None:
    found = installed_criteria([], [point("lost", "no.such.module:word")])
    assert dict(found.by_name) == dict(BUILT_IN)
    assert found.problems == [
        "lost = no.such.module:word: it cannot be loaded: ModuleNotFoundError(\"No module named 'no'\")"
    ]


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """A folder that holds the example as an installer would leave it."""
    project = tomllib.loads((EXAMPLE / "pyproject.toml").read_text("utf-8"))["project"]
    folder = tmp_path / "site"
    info = folder / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    info.mkdir(parents=True)
    (folder / "office_hours.py").write_text((EXAMPLE / "office_hours.py").read_text("utf-8"), "utf-8")
    (info / "METADATA").write_text(f"Name: {project['name']}\nVersion: {project['version']}\n", "utf-8")
    lines = [
        line
        for group, points in project["entry-points"].items()
        for line in (f"[{group}]", *(f"{name} = {value}" for name, value in points.items()))
    ]
    (info / "entry_points.txt").write_text("\n".join(lines), "utf-8")
    return folder


def command(installed: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    root = str(EXAMPLE.parents[1])
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join([str(installed), root])}
    return subprocess.run(
        [sys.executable, "-m", "pomerium_tw.cli", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=environ,
    )


def test_the_example_gives_policies_two_words(installed: Path, tmp_path: Path) -> None:
    found = command(installed, "policy", "check", str(EXAMPLE / "office.ppl"))
    assert found.returncode == 0, found.stdout
    file = tmp_path / "wrong.ppl"
    file.write_text('policy "x" { allow or { email_matches 5 } }', "utf-8")
    found = command(installed, "policy", "check", str(file))
    assert found.returncode == 1
    assert (
        f"{file}:1:39: email_matches takes a pattern with * and ?, or a list of them: write" in found.stdout
    )


@pytest.mark.parametrize(
    ("email", "at", "decided"),
    [
        ("a@eu.example.com", "2026-11-20T12:00", "allowed: an allow rule holds; email_matches"),
        ("a@eu.example.com", "2026-11-21T12:00", "denied (403): a deny rule holds; weekend at"),
        ("a@elsewhere.org", "2026-11-20T12:00", "denied (403): no allow rule holds; email_matches"),
    ],
)
def test_the_words_decide(installed: Path, tmp_path: Path, email: str, at: str, decided: str) -> None:
    configuration = tmp_path / "c.yaml"
    configuration.write_text(
        "insecure_server: true\n"
        f"policy_files: [{EXAMPLE / 'office.ppl'}]\n"
        "routes:\n  - from: https://a.example.com\n    to: http://127.0.0.1:1\n    policy: office\n",
        "utf-8",
    )
    arguments = ("--url", "https://a.example.com/", "--email", email, "--at", at)
    found = command(installed, "policy", "explain", "--config", str(configuration), *arguments)
    assert found.returncode == 0, found.stderr
    assert decided in found.stdout
