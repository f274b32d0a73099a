"""``pomerium-tw policy check FILE…``."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from pomerium_tw.cli import main

Check = Callable[..., Result]

CONFIGURATION = """\
insecure_server: true
{more}
policy_files: [app.ppl]
routes:
  - from: https://a.example.com
    to: http://127.0.0.1:1
    policy: app
  - from: https://b.example.com
    to: http://127.0.0.1:1
    policy:
      - allow:
          or:
            - claim/level: {{exclude: low}}
"""


@pytest.fixture
def check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Check:
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str, **files: str) -> Result:
        for name, text in files.items():
            Path(name.replace("_", ".")).write_text(text, "utf-8")
        return CliRunner().invoke(main, ["policy", "check", *arguments], env={"HOME": "/home/somebody"})

    return run


def test_good_policies_exit_with_0(check: Check) -> None:
    result = check(
        "a.ppl", "b.yaml", a_ppl="policy { allow or { accept } }", b_yaml="allow: {or: [{accept: 1}]}"
    )
    assert (result.exit_code, result.output) == (
        0,
        "a.ppl: good policies, no warnings\nb.yaml: good policies, no warnings\n",
    )


def test_every_fault_of_every_file_has_its_place(check: Check) -> None:
    result = check(
        "a.ppl",
        "b.yaml",
        "c.ppl",
        a_ppl='policy "one" { allow or { domian "a.com" } }\npolicy "two" { allow or { email has "x" } }',
        b_yaml="- allow:\n    or:\n      - date: {aftr: 2026-01-01}\n",
        c_ppl="policy { allow or { accept }",
    )
    assert result.exit_code == 1
    assert "a.ppl:1:27: unknown policy criterion: domian\n" in result.output
    assert "did you mean 'domain'?" in result.output
    assert "a.ppl:2:37: unknown string matcher operator: has\n" in result.output
    assert '    policy "one" { allow or { domian "a.com" } }\n' + " " * 30 + "^\n" in result.output
    assert "b.yaml:3:16: " in result.output
    assert "c.ppl:1:29: " in result.output
    assert "a.ppl: 2 problems, no warnings\n" in result.output


def test_surprises_are_warnings_with_the_line_that_causes_them(check: Check) -> None:
    text = 'policy {\n    allow or {\n        domain "a.com"\n        claim/level exclude "low"\n    }\n}\n'
    result = check("a.ppl", a_ppl=text)
    assert result.exit_code == 0
    assert (
        "a.ppl:4:9: warning: claim/level holds without a session: callers are let in without signing in\n"
        '            claim/level exclude "low"\n            ^\n' in result.output
    )
    assert "a.ppl: good policies, 1 warning\n" in result.output
    strict = check("--strict", "a.ppl")
    assert strict.exit_code == 1
    assert "a.ppl:4:9: claim/level holds without a session" in strict.output


@pytest.mark.parametrize("strict", [False, True])
def test_of_a_configuration_files_and_routes_are_looked_at(check: Check, strict: bool) -> None:
    configuration = CONFIGURATION.format(more=f"strict_policy: {str(strict).lower()}")
    policies = 'policy "app" { allow not { domain "a.com" } }'
    result = check("c.yaml", c_yaml=configuration, app_ppl=policies)
    kind = "" if strict else "warning: "
    assert result.exit_code == int(strict)
    assert f"/app.ppl:1:22: {kind}allow not is true without a session" in result.output
    assert f"c.yaml:13:15: {kind}claim/level holds without a session" in result.output
    assert result.output.count("app.ppl:1:22") == 1, "named once, however many routes use it"


def test_a_strict_configuration_refuses_an_empty_policy(check: Check) -> None:
    route = "routes:\n  - from: https://a.example.com\n    to: http://a\n    policy: []\n"
    loose = check("c.yaml", c_yaml=f"insecure_server: true\n{route}")
    assert loose.exit_code == 0 and "c.yaml:5:13: warning: the policy holds no rule" in loose.output
    strict = check("c.yaml", c_yaml=f"insecure_server: true\nstrict_policy: true\n{route}")
    assert strict.exit_code == 1 and "c.yaml:6:13: the policy holds no rule" in strict.output


def test_includes_are_followed(check: Check) -> None:
    result = check(
        "a.ppl",
        a_ppl='include "b.ppl"\npolicy "a" { allow or { accept } }',
        b_ppl='policy "b" { allow or { nothing_such } }',
    )
    assert result.exit_code == 1
    assert "b.ppl:1:25: unknown policy criterion: nothing_such" in result.output


def test_a_file_that_is_not_there(check: Check) -> None:
    result = check("gone.ppl", "gone.yaml")
    assert result.exit_code == 1
    assert "gone.ppl: the policy file cannot be read: No such file or directory" in result.output
    assert "gone.yaml" in result.output


@pytest.mark.parametrize(
    "text", ["", "policy", '"', "{" * 100_000, "a" * 999_999, "policy { " * 100_000, "\x00\xff" * 1000]
)
def test_nonsense_is_an_error_and_no_crash(check: Check, text: str) -> None:
    for name in ("a_ppl", "a_yaml"):
        result = check(name.replace("_", "."), **{name: text})
        assert result.exit_code in (0, 1)
        assert result.exception is None or isinstance(result.exception, SystemExit)
        assert result.exit_code == 1 or not text


def test_a_misspelt_action_is_not_taken_for_a_configuration(check: Check) -> None:
    result = check("a.yaml", a_yaml="alow: {or: [accept: 1]}\n")
    assert "a.yaml:1:1: unknown action: alow" in result.output
    assert "did you mean 'allow'?" in result.output


@pytest.mark.parametrize("text", ["", "\n\n", "# nothing\n"])
def test_an_empty_file_is_no_good_policy(check: Check, text: str) -> None:
    result = check("a.yaml", a_yaml=text)
    assert result.exit_code == 1 and "the text is empty" in result.output


def test_all_faults_of_a_policy_are_told_and_its_line_is_shown(check: Check) -> None:
    configuration = (
        "insecure_server: true\nroutes:\n  - from: https://a.example.com\n    to: http://a\n    policy:\n"
        "      - allow:\n          or:\n            - domian: a.com\n            - emial: b\n"
        "            - claim/x: {exclude: y}\n"
    )
    result = check("c.yaml", c_yaml=configuration)
    assert "c.yaml:8:15: unknown policy criterion: domian" in result.output
    assert "- domian: a.com" in result.output
    assert "c.yaml:9:15: unknown policy criterion: emial" in result.output
    assert "warning: there is no shared_secret" in result.output, "warnings do not vanish beside problems"


def test_a_plugin_that_cannot_be_loaded_is_told_and_hides_nothing(
    check: Check, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("leaving.py").write_text("raise SystemExit(0)\n", "utf-8")
    monkeypatch.syspath_prepend(".")
    points = [EntryPoint("leaving", "leaving:word", "pomerium_tw.criteria")]
    monkeypatch.setattr("pomerium_tw.service.criteria.installed", lambda _group: points)
    result = check("a.ppl", a_ppl="policy { allow or { domian } }")
    assert result.exit_code == 1
    assert (
        "warning: a plugin is not used: leaving = leaving:word: it cannot be loaded: SystemExit(0)"
        in result.output
    )
    assert "unknown policy criterion: domian" in result.output
