"""Every case of ppl-cases.jsonl, answered by ``pomerium-tw policy eval``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from pomerium_tw.cli import main

from .agreement import disagreements

FILE = Path(__file__).parent / "ppl-cases.jsonl"
LAST = '{"id": "b", "kind": "comma_list", "input": []}'
CASES: list[dict[str, Any]] = [json.loads(line) for line in FILE.read_text("utf-8").splitlines()]


@pytest.fixture(scope="module")
def answers() -> dict[str, dict[str, Any]]:
    result = CliRunner().invoke(main, ["policy", "eval", "--cases", str(FILE)])
    assert result.exit_code == 0, result.output
    found = [json.loads(line) for line in result.output.splitlines()]
    assert [each["id"] for each in found] == [case["id"] for case in CASES]
    return {each["id"]: each for each in found}


def test_all_kinds_are_here() -> None:
    assert len(CASES) == 372
    assert len({case["kind"] for case in CASES}) == 13


@pytest.mark.parametrize("case", [pytest.param(case, id=case["id"]) for case in CASES])
def test_the_answer_agrees(case: dict[str, Any], answers: dict[str, dict[str, Any]]) -> None:
    assert list(disagreements(case["expect"], answers[case["id"]])) == []


def test_what_a_case_expects_is_not_looked_at(tmp_path: Path, answers: dict[str, dict[str, Any]]) -> None:
    bare = tmp_path / "bare.jsonl"
    lines = [json.dumps({key: case[key] for key in case if key != "expect"}) for case in CASES[:150]]
    bare.write_text("\n".join(lines), "utf-8")
    result = CliRunner().invoke(main, ["policy", "eval", "--cases", str(bare)])
    found = [json.loads(line) for line in result.output.splitlines()]
    assert found == [answers[case["id"]] for case in CASES[:150]]


def test_a_case_that_cannot_be_answered_says_so_and_the_rest_goes_on(tmp_path: Path) -> None:
    file = tmp_path / "cases.jsonl"
    good = {"id": "good", "kind": "comma_list", "input": ["a", "b"]}
    cases = [{"id": "odd", "kind": "horoscope"}, {"id": "bare", "kind": "headers"}, good]
    file.write_text("".join(json.dumps(case) + "\n" for case in cases), "utf-8")
    result = CliRunner().invoke(main, ["policy", "eval", "--cases", str(file)])
    found = [json.loads(line) for line in result.output.splitlines()]
    assert result.exit_code == 0
    assert [sorted(each) for each in found] == [["error", "id"], ["error", "id"], ["id", "joined"]]
    assert "there is no kind 'horoscope'; known: client_cert_validity" in found[0]["error"]
    assert found[2]["joined"] == "a,b"


def test_a_line_that_is_no_case_is_named_and_fails_the_command(tmp_path: Path) -> None:
    file = tmp_path / "cases.jsonl"
    file.write_text('{"id": "a", "kind": "comma_list", "input": []}\nnot JSON\n', "utf-8")
    result = CliRunner().invoke(main, ["policy", "eval", "--cases", str(file)])
    assert result.exit_code == 1
    assert f"{file}:2: a case is a JSON object with an id" in result.output


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ('\ufeff{"id": "a", "kind": "comma_list", "input": []}\n', ["a"]),
        ('{"id": "a", "kind": "comma_list", "input": ["x\u2028y\x85z"]}\n', ["a"]),
        ('{"id": "\\ud800", "kind": "comma_list", "input": []}\n' + LAST, None),
        ("[" * 200_000 + "\n" + LAST, ["b"]),
    ],
    ids=["byte order mark", "separators in a text", "half a pair", "nested"],
)
def test_odd_lines_do_not_keep_the_others_from_their_answers(
    tmp_path: Path, text: str, ids: list[str] | None
) -> None:
    file = tmp_path / "cases.jsonl"
    file.write_text(text, "utf-8")
    result = CliRunner().invoke(main, ["policy", "eval", "--cases", str(file)])
    assert result.exception is None or isinstance(result.exception, SystemExit)
    found = [json.loads(line)["id"] for line in result.output.split("\n") if line.startswith("{")]
    assert found == (ids or ["\ud800", "b"])


def test_a_file_that_is_no_text_exits_with_2(tmp_path: Path) -> None:
    file = tmp_path / "cases.jsonl"
    file.write_bytes(b"\xff\xfe")
    assert CliRunner().invoke(main, ["policy", "eval", "--cases", str(file)]).exit_code == 2
