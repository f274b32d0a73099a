"""``pomerium-tw config schema``."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner
from jsonschema import Draft7Validator

from pomerium_tw.cli import main
from pomerium_tw.policy import BUILT_IN, ICriterion, policy_file_schema

SCHEMA = ["config", "schema"]


@pytest.fixture(autouse=True)
def known(monkeypatch: pytest.MonkeyPatch) -> dict[str, ICriterion]:
    """The criteria of this machine; tests put plugins in."""
    found = dict(BUILT_IN)
    monkeypatch.setattr("pomerium_tw.service.installed_criteria", lambda: SimpleNamespace(by_name=found))
    return found


def test_the_schema_of_a_configuration_is_printed() -> None:
    result = CliRunner().invoke(main, SCHEMA)
    assert result.exit_code == 0
    found = json.loads(result.stdout)
    assert found["title"] == "pomerium_tw configuration"
    routes = [{"from": "https://a", "to": "http://a", "policy": [{"allow": {"or": [{"accept": True}]}}]}]
    assert Draft7Validator(found).is_valid({"routes": routes})
    assert not Draft7Validator(found).is_valid({"rotes": routes})


def test_it_is_indented_by_two_and_ends_its_last_line() -> None:
    text = CliRunner().invoke(main, SCHEMA).stdout
    assert text.startswith('{\n  "$schema": "http://json-schema.org/draft-07/schema#",\n')
    assert text.endswith("\n}\n")


def test_two_runs_print_the_same() -> None:
    assert CliRunner().invoke(main, SCHEMA).stdout == CliRunner().invoke(main, SCHEMA).stdout


def test_the_schema_of_a_policy_alone_is_printed() -> None:
    result = CliRunner().invoke(main, [*SCHEMA, "--policy"])
    assert result.exit_code == 0
    assert json.loads(result.stdout) == policy_file_schema(BUILT_IN)


def test_words_of_plugins_are_in_it(known: dict[str, ICriterion]) -> None:
    known["weekend"] = known["accept"]
    result = CliRunner().invoke(main, [*SCHEMA, "--policy"])
    assert Draft7Validator(json.loads(result.stdout)).is_valid({"allow": {"or": [{"weekend": True}]}})


def test_it_is_written_to_a_file(tmp_path: Path) -> None:
    file = tmp_path / "schema.json"
    result = CliRunner().invoke(main, [*SCHEMA, "-o", str(file)])
    assert (result.exit_code, result.output) == (0, "")
    assert file.read_text("utf-8") == CliRunner().invoke(main, SCHEMA).stdout


def test_a_file_that_cannot_be_written_exits_with_1(tmp_path: Path) -> None:
    file = tmp_path / "none" / "schema.json"
    result = CliRunner().invoke(main, [*SCHEMA, "-o", str(file)])
    assert result.exit_code == 1
    assert result.stderr == f"{file}: the file cannot be written: No such file or directory\n"
    assert result.stdout == ""


def test_other_arguments_exit_with_2() -> None:
    assert CliRunner().invoke(main, [*SCHEMA, "pomerium.yaml"]).exit_code == 2
