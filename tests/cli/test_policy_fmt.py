"""``pomerium-tw policy fmt``."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from textwrap import dedent

import pytest
from click.testing import CliRunner, Result

from pomerium_tw.cli import main
from pomerium_tw.cli.policy import canonical as canonical_module
from pomerium_tw.cli.policy.canonical import canonical
from pomerium_tw.cli.policy.sources import Source, looks_like_yaml

UNTIDY = 'policy "a" { allow or { accept } } # why\n'
TIDY = 'policy "a" { # why\n    allow or {\n        accept\n    }\n}\n'


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def fmt(*args: str, given: str | bytes = "") -> Result:
    return CliRunner().invoke(main, ["policy", "fmt", *args], input=given)


def of_yaml(text: str) -> str:
    text = dedent(text)
    return canonical(Source("t.yaml", text.encode(), text, "yaml"))


def test_files_are_changed_in_place_and_named() -> None:
    Path("a.ppl").write_text(UNTIDY)
    Path("b.ppl").write_text(TIDY)
    Path("c.yaml").write_text("allow: {or: [accept: true]} # why\n")
    result = fmt("a.ppl", "b.ppl", "c.yaml")
    assert (result.exit_code, result.output) == (0, "a.ppl\nc.yaml\n")
    assert Path("a.ppl").read_text() == TIDY
    assert Path("c.yaml").read_text() == "- allow: # why\n    or:\n      - accept: true\n"
    assert (fmt("a.ppl", "b.ppl", "c.yaml").output) == ""


def test_check_writes_nothing_and_exits_with_1() -> None:
    Path("a.ppl").write_text(UNTIDY)
    Path("b.ppl").write_text(TIDY)
    result = fmt("--check", "a.ppl", "b.ppl")
    assert (result.exit_code, result.output) == (1, "a.ppl\n")
    assert Path("a.ppl").read_text() == UNTIDY
    assert fmt("--check", "b.ppl").exit_code == 0


def test_a_file_that_cannot_be_read_does_not_hold_up_the_others() -> None:
    Path("bad.ppl").write_text("policy {\n  alow or {}\n}")
    Path("a.ppl").write_text(UNTIDY)
    result = fmt("bad.ppl", "none.yaml", "a.ppl")
    assert result.exit_code == 2
    assert result.stdout == "a.ppl\n"
    assert result.stderr == (
        "bad.ppl:2:3: unknown action: alow\n    alow or {}\n    ^\n  did you mean 'allow'?\n"
        "none.yaml: the policy file cannot be read: No such file or directory\n"
    )
    assert Path("bad.ppl").read_text() == "policy {\n  alow or {}\n}"
    assert Path("a.ppl").read_text() == TIDY
    assert fmt("--check", "bad.ppl", "a.ppl").exit_code == 2


def test_a_yaml_error_has_line_and_caret() -> None:
    Path("a.yaml").write_text("- allow:\n    or: [}\n")
    result = fmt("a.yaml")
    assert result.exit_code == 2
    assert result.stderr.startswith("a.yaml:2:10: YAML syntax")
    assert "\n      or: [}\n           ^\n" in result.stderr


@pytest.mark.parametrize(
    ("given", "written"),
    [
        (UNTIDY, TIDY),
        ("# x\n- allow: {}", "# x\n- allow: {}\n"),
        ('{"deny": {}}', "- deny: {}\n"),
        ("routes: [ ]", "routes: []\n"),
        ('include   "a.ppl"', 'include "a.ppl"\n'),
        ("", ""),
    ],
)
def test_a_dash_stands_for_standard_input(given: str, written: str) -> None:
    result = fmt("-", given=given)
    assert (result.exit_code, result.stdout) == (0, written)
    assert list(Path().iterdir()) == []


def test_standard_input_is_checked_as_well() -> None:
    assert fmt("--check", "-", given=TIDY).exit_code == 0
    result = fmt("--check", "-", given=UNTIDY)
    assert (result.exit_code, result.output) == (1, "standard input\n")
    result = fmt("-", given=b"policy \xff")
    assert (result.exit_code, result.stderr) == (2, "standard input:1:8: the file is not UTF-8 text\n")


def test_yaml_and_text_are_told_apart_by_their_beginning() -> None:
    for text in ("# c\n\n- a", "a: 1", "{", "[]", '"a b": 1', "---", "claim/x:\n", "%YAML 1.1"):
        assert looks_like_yaml(text), text
    for text in ("", "# a: b", "policy {", 'policy "a: b" {', 'policy"a" {}', 'include "x"', "nonsense"):
        assert not looks_like_yaml(text), text


def test_mode_and_link_of_a_file_stay() -> None:
    Path("real.ppl").write_text(UNTIDY)
    Path("real.ppl").chmod(0o640)
    Path("a.ppl").symlink_to("real.ppl")
    assert fmt("a.ppl").exit_code == 0
    assert Path("a.ppl").is_symlink()
    assert Path("real.ppl").read_text() == TIDY
    assert stat.S_IMODE(Path("real.ppl").stat().st_mode) == 0o640
    assert sorted(path.name for path in Path().iterdir()) == ["a.ppl", "real.ppl"]


def test_a_file_that_cannot_be_written_stays_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("a.ppl").write_text(UNTIDY)

    def full(_path: Path, _target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    result = fmt("a.ppl")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == "a.ppl: the file cannot be written: No space left on device\n"
    assert [path.name for path in Path().iterdir()] == ["a.ppl"]
    assert Path("a.ppl").read_text() == UNTIDY


def test_line_ends_and_byte_order_marks_become_regular() -> None:
    Path("a.ppl").write_bytes(b"\xef\xbb\xbf" + TIDY.replace("\n", "\r\n").encode())
    assert fmt("a.ppl").output == "a.ppl\n"
    assert Path("a.ppl").read_bytes() == TIDY.encode()


def test_json_stays_json() -> None:
    Path("a.json").write_text('{"allow":{"or":[{"claim/x":["\\ud83d\\ude00", 1e300]}]}}')
    assert fmt("a.json").exit_code == 0
    text = Path("a.json").read_text(encoding="utf-8")
    assert json.loads(text) == [{"allow": {"or": [{"claim/x": ["\U0001f600", 1e300]}]}}]
    assert text.startswith('[\n  {\n    "allow"')
    Path("c.json").write_text('{"routes": [], "address": ":1"}')
    assert fmt("c.json").exit_code == 0
    assert Path("c.json").read_text() == '{\n  "routes": [],\n  "address": ":1"\n}\n'


def test_a_configuration_keeps_order_comments_and_the_writing_of_its_values() -> None:
    text = """\
    # top
    shared: &s   {a: 1,   b: [1,2]}

    routes: # r
    - from:   https://a.example.com # x
      to: [ 'http://a', "http://b" ]
      # policy
      policy:
      - allow: {or: [{email: {is: no}}]} # flow
      timeout: 012
      empty:
      nul: ~
      day: 2024-01-02
      float: 1e3
      lines: |
        multi
          line
      <<: *s
    # end
    """
    assert of_yaml(text) == dedent(
        """\
        # top
        shared: &s {a: 1, b: [1, 2]}

        routes: # r
          - from: https://a.example.com # x
            to: ['http://a', "http://b"]
          # policy
            policy:
              - allow: {or: [{email: {is: no}}]} # flow
            timeout: 012
            empty:
            nul: ~
            day: 2024-01-02
            float: 1e3
            lines: |
              multi
                line
            <<: *s
        # end
        """
    )
    assert of_yaml(of_yaml(text)) == of_yaml(text)


def test_a_policy_with_anchors_keeps_them() -> None:
    assert of_yaml("- allow: &x {or: [accept: true]}\n- deny:   *x\n") == (
        "- allow: &x {or: [{accept: true}]}\n- deny: *x\n"
    )


@pytest.mark.parametrize(
    ("broken", "what"),
    [("routes: []\n", "a comment"), ("# c\nroutes: [1]\n", "the value of a key")],
)
def test_what_would_be_lost_is_an_error(broken: str, what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(canonical_module, "_round_trip", lambda *_: broken)
    Path("c.yaml").write_text("# c\nroutes:   []\n")
    result = fmt("c.yaml")
    assert result.exit_code == 2
    assert result.stderr == f"c.yaml: formatting would not keep {what}; the file is left as it is\n"
    assert Path("c.yaml").read_text() == "# c\nroutes:   []\n"


def test_a_policy_that_would_not_read_back_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(canonical_module, "to_text", lambda _document: "policy {}\n")
    Path("a.ppl").write_text(UNTIDY)
    assert "would not keep what it says" in fmt("a.ppl").stderr
    assert Path("a.ppl").read_text() == UNTIDY


def test_a_read_only_file_is_left_alone() -> None:
    Path("a.ppl").write_text(UNTIDY)
    Path("a.ppl").chmod(0o444)
    result = fmt("a.ppl")
    assert result.exit_code == 2
    assert Path("a.ppl").read_text() == UNTIDY


def test_what_the_library_of_configurations_cannot_keep_is_an_error_and_no_crash() -> None:
    text = "routes: []\nsigning_key:  # c\n |\n abc\n\nlog_level: info\n"
    Path("r.yaml").write_text(text)
    result = fmt("r.yaml")
    assert result.exit_code == 2 and isinstance(result.exception, SystemExit)
    assert Path("r.yaml").read_text() == text


def test_a_configuration_has_one_kind_of_line_end() -> None:
    Path("c.yaml").write_bytes(b"routes: []\r\n# c\r\nlog_level:   info\r\n")
    assert fmt("c.yaml").exit_code == 0
    assert Path("c.yaml").read_bytes() == b"routes: []\n# c\nlog_level: info\n"
