"""``pomerium-tw config check FILE``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from policy_grammar import Span
from pomerium_tw.cli import main
from pomerium_tw.config import Loaded, Problem
from pomerium_tw.service import Findings

ROUTE = (
    "routes:\n  - from: https://a.example.com\n    to: http://a\n"
    "    allow_public_unauthenticated_access: true\n"
)
WHOLE = f"{ROUTE}insecure_server: true\nshared_secret: {'A' * 43}=\ncookie_secret: {'A' * 43}=\n"
"""Nothing is left out that almost everybody wants."""

Check = Callable[[str], Result]


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> list[Problem]:
    """What building finds; tests put problems in."""
    found: list[Problem] = []

    def check(loaded: Loaded) -> Findings:
        assert loaded.settings.routes
        return Findings(tuple(found), (*loaded.warnings, *loaded.left_out))

    monkeypatch.setattr("pomerium_tw.service.check", check)
    return found


@pytest.fixture
def check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Check:
    monkeypatch.chdir(tmp_path)

    def run(text: str) -> Result:
        Path("c.yaml").write_text(text, encoding="utf-8")
        return CliRunner().invoke(main, ["config", "check", "c.yaml"], env={"HOME": "/home/somebody"})

    return run


def test_a_good_file_exits_with_0(check: Check, built: list[Problem]) -> None:
    result = check(WHOLE)
    assert (result.exit_code, result.output) == (0, "c.yaml: ready to run, no warnings\n")


def test_warnings_do_not_fail(check: Check, built: list[Problem]) -> None:
    result = check("autocert: true\n" + WHOLE)
    assert result.exit_code == 0
    assert result.output == (
        "c.yaml:1:1: warning: the key autocert is not built yet: ignored\nc.yaml: ready to run, 1 warning\n"
    )


def test_what_is_left_out_is_said(check: Check, built: list[Problem]) -> None:
    result = check(ROUTE)
    assert result.exit_code == 0
    for missing in ("certificate", "shared_secret", "cookie_secret"):
        assert f"c.yaml:1:1: warning: there is no {missing}: " in result.output
    assert "ready to run, 3 warnings" in result.output


def test_a_problem_of_a_policy_file_shows_its_line(check: Check, built: list[Problem]) -> None:
    built.append(Problem(Span("a.ppl", 2, 5), "unknown", "", ("  domian is 1", "  ^")))
    assert "a.ppl:2:5: unknown\n    domian is 1\n    ^\n" in check(WHOLE).output


def test_every_problem_is_shown_with_place_and_hint(check: Check, built: list[Problem]) -> None:
    result = check("addres: x\nworkers: 2\nautocert: true\n")
    assert result.exit_code == 1
    assert result.output == (
        "c.yaml:3:1: warning: the key autocert is not built yet: ignored\n"
        "c.yaml:1:1: there is no key addres\n    did you mean address?\n"
        "c.yaml:2:10: workers: several workers are not built yet\n    write workers: 1\n"
        "c.yaml: 2 problems, 1 warning\n"
    )


def test_problems_of_building_are_shown(check: Check, built: list[Problem], tmp_path: Path) -> None:
    built.append(Problem(Span("c.yaml", 2, 5), "no policy is called employees", "see policy_files"))
    result = check(WHOLE)
    assert result.exit_code == 1
    assert result.output == (
        "c.yaml:2:5: no policy is called employees\n    see policy_files\nc.yaml: 1 problem, no warnings\n"
    )


def test_the_environment_counts(check: Check, built: list[Problem], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKERS", "9")
    result = check(ROUTE)
    assert result.exit_code == 1
    assert "environment WORKERS: workers: several workers are not built yet\n" in result.output


def test_a_missing_file_is_a_problem(built: list[Problem], tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["config", "check", str(tmp_path / "none.yaml")])
    assert result.exit_code == 1
    assert "none.yaml: the configuration file cannot be read: No such file or directory\n" in result.output
