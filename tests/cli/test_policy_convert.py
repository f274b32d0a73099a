"""``pomerium-tw policy convert``."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest
from click.testing import CliRunner, Result

from policy_grammar import comment_lines, parse_document
from pomerium_tw.cli import main

TEXT = dedent(
    """\
    # license
    include "shared/common.ppl" # shared

    # staff
    policy "employees" { # all of them
        # who
        allow or { # one of
            domain is "companydomain.com" # everybody
            claim/groups has "no"
            email in [
                "a@x.com", # a
                # nobody else
            ]
            # - user: nobody
        }
        deny {} # nothing
        # end of employees
    }

    policy {}

    # end
    """
)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def convert(*args: str, given: str = "") -> Result:
    return CliRunner().invoke(main, ["policy", "convert", *args], input=given)


def test_names_includes_and_comments_survive_both_ways() -> None:
    Path("a.ppl").write_text(TEXT)
    assert convert("--to", "yaml", "-o", "a.yaml", "a.ppl").output == ""
    result = convert("--to", "ppl", "a.yaml")
    assert result.exit_code == 0
    assert parse_document(result.stdout, "b") == parse_document(TEXT, "a")
    assert comment_lines(parse_document(result.stdout, "b")) == comment_lines(parse_document(TEXT, "a"))
    assert result.stdout == TEXT
    assert 'has: "no"' in Path("a.yaml").read_text()


def test_pomeriums_yaml_becomes_one_policy_without_a_name() -> None:
    Path("a.yaml").write_text("# c\nallow:\n  or:\n    - domain:\n        is: a.com # ours\n")
    result = convert("--to", "ppl", "a.yaml")
    assert result.stdout == '# c\npolicy {\n    allow or {\n        domain is "a.com" # ours\n    }\n}\n'
    assert convert("--to", "yaml", "-", given=result.stdout).stdout == (
        "# c\n- allow:\n    or:\n      - domain: # ours\n          is: a.com\n"
    )


def test_json_is_read_as_well() -> None:
    Path("a.json").write_text('{"allow": {"or": [{"accept": true}]}}')
    assert convert("--to", "ppl", "a.json").stdout == "policy {\n    allow or {\n        accept\n    }\n}\n"


def test_the_same_notation_is_its_canonical_form() -> None:
    assert convert("--to", "ppl", "-", given="policy { allow {} }").stdout == "policy {\n    allow {}\n}\n"


def test_what_cannot_be_read_exits_with_2_and_writes_nothing() -> None:
    Path("a.ppl").write_text("policy {\n  alow {}\n}")
    result = convert("--to", "yaml", "-o", "out.yaml", "a.ppl")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == "a.ppl:2:3: unknown action: alow\n    alow {}\n    ^\n  did you mean 'allow'?\n"
    assert not Path("out.yaml").exists()
    Path("c.yaml").write_text("routes: []\n")
    assert convert("--to", "ppl", "c.yaml").stderr.startswith(
        "c.yaml:1:1: unknown action: routes\n  routes: []\n"
    )


def test_half_of_a_surrogate_pair_has_no_yaml() -> None:
    result = convert("--to", "yaml", "-", given='policy { allow or { a is "\\ud800" } }')
    assert result.exit_code == 2
    assert result.stderr.startswith(
        "standard input:1:26: half of a surrogate pair cannot be written in YAML\n"
    )
    assert "^" in result.stderr


def test_a_file_that_cannot_be_written_is_said() -> None:
    Path("a.ppl").write_text(TEXT)
    result = convert("--to", "yaml", "-o", "none/out.yaml", "a.ppl")
    assert result.exit_code == 2
    assert result.stderr == "none/out.yaml: the file cannot be written: No such file or directory\n"


def test_both_options_are_asked_for() -> None:
    assert convert("a.ppl").exit_code == 2
    assert "'--to'" in convert("a.ppl").stderr
    assert convert("--to", "toml", "a.ppl").exit_code == 2
