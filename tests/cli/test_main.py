"""The command line: quick help, lazy sub-commands."""

from __future__ import annotations

import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from pomerium_tw.cli import main


def test_help_lists_the_sub_commands_without_importing_them() -> None:
    script = (
        "import sys\n"
        "from pomerium_tw.cli import main\n"
        "main(['--help'], standalone_mode=False)\n"
        "print(sorted(m for m in sys.modules if m.startswith(('pomerium_tw.', 'twisted', 'pydantic'))))\n"
    )
    answer = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    *help_lines, modules = answer.stdout.strip().splitlines()
    assert modules == "['pomerium_tw.cli']"
    shown = "\n".join(help_lines)
    for name in ("config", "demo", "policy", "run"):
        assert f"\n  {name} " in shown


def test_an_unknown_sub_command_is_refused() -> None:
    result = CliRunner().invoke(main, ["fly"])
    assert result.exit_code == 2
    assert "No such command 'fly'" in result.output


def test_sub_commands_are_imported_when_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    class Module:
        run = click.Command("run")

    def import_module(name: str) -> type[Module]:
        asked.append(name)
        return Module

    monkeypatch.setattr("pomerium_tw.cli.import_module", import_module)
    assert CliRunner().invoke(main, ["run"]).exit_code == 0
    assert asked == ["pomerium_tw.cli.run"]


def test_the_policy_commands_are_listed_without_importing_them() -> None:
    script = (
        "import sys\n"
        "from pomerium_tw.cli import main\n"
        "main(['policy', '--help'], standalone_mode=False)\n"
        "print(sorted(m for m in sys.modules if m.startswith(('pomerium_tw.', 'policy_g', 'twisted'))))\n"
    )
    answer = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    *help_lines, modules = answer.stdout.strip().splitlines()
    assert modules == "['pomerium_tw.cli', 'pomerium_tw.cli.policy']"
    shown = "\n".join(help_lines)
    for name in ("check", "convert", "eval", "explain", "fmt"):
        assert f"\n  {name} " in shown
