"""The commands of the manual print what it says, and its Python runs."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from policy_grammar import Criterion, parse_text
from pomerium_tw.cli import main
from pomerium_tw.config import load
from pomerium_tw.policy import BUILT_IN, ICriterion, compile_policy
from pomerium_tw.service import check
from tests.config.conftest import pem_pair

DOCS = Path(__file__).parent.parent / "docs"
TOOLS = (DOCS / "how-to/policy-tools.md").read_text("utf-8")
WRITING = (DOCS / "how-to/write-a-criterion.md").read_text("utf-8")

PLACE = "/etc/pomerium"
"""Where the manual's files are said to stand."""

NAMED = re.compile(r"^```\{code-block\} \w+\n:caption: (\S+)\n\n(.*?)^```", re.DOTALL | re.MULTILINE)
CONSOLE = re.compile(r"^```console\n(.*?)^```", re.DOTALL | re.MULTILINE)
YAML = re.compile(r"^ *```yaml\n(.*?)^ *```", re.DOTALL | re.MULTILINE)
PYTHON = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)


BASE = """
authenticate_service_url: https://authenticate.example.com
shared_secret: VGhpcyBpcyBhbiBleGFtcGxlIG9ubHksIG5vIHNlY3I=
cookie_secret: bm90IGEgc2VjcmV0IGVpdGhlcjogYW4gZXhhbXBsZSE=
certificate_file: fullchain.pem
certificate_key_file: privkey.pem
idp_provider: oidc
idp_provider_url: https://id.example.com
idp_client_id: pomerium
idp_client_secret: example
"""
"""What the manual leaves out where it shows a few keys."""
PIECES = ("load-balancers", "redirects", "unix-sockets", "websockets")
"""Pages of how-to whose configurations are such pieces."""


def dialogue(text: str) -> Iterator[tuple[str, str]]:
    """Each command of the manual, with what it prints."""
    for block in CONSOLE.findall(text):
        for step in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, printed = step.partition("\n")
            yield command, printed


def test_the_policy_tools_print_what_the_manual_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, text in NAMED.findall(TOOLS):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, "utf-8")
    status, ran = 0, 0
    for command, printed in dialogue(TOOLS):
        program, *arguments = shlex.split(command)
        if command == "echo $?":
            said = f"{status}\n"
        elif program == "cat":
            said = (tmp_path / arguments[0]).read_text("utf-8")
        else:
            assert program == "pomerium-tw"
            result = CliRunner().invoke(main, arguments)
            status, said, ran = result.exit_code, result.output, ran + 1
        assert said.replace(str(tmp_path), PLACE) == printed, command
    assert ran >= 6


@pytest.mark.parametrize("page", PIECES)
def test_the_configurations_of_the_manual_can_be_run(tmp_path: Path, page: str) -> None:
    chain, key = pem_pair()
    (tmp_path / "fullchain.pem").write_bytes(chain)
    (tmp_path / "privkey.pem").write_bytes(key)
    (tmp_path / "privkey.pem").chmod(0o600)
    pieces = YAML.findall((DOCS / f"how-to/{page}.md").read_text("utf-8"))
    assert pieces
    path = tmp_path / "config.yaml"
    for piece in pieces:
        path.write_text(BASE + piece, "utf-8")
        found = check(load(path, {"HOME": str(tmp_path)}))
        assert [
            each.message for each in (*found.problems, *found.warnings) if "no routes" not in each.message
        ] == []


def test_the_criteria_of_the_manual_decide_in_policies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(DOCS.parent / "examples/criteria")
    made: dict[str, object] = {}
    for block in PYTHON.findall(WRITING):
        exec(compile(block, "write-a-criterion.md", "exec"), made)  # noqa: S102 - it is ours
    tests = [each for name, each in made.items() if name.startswith("test_")]
    assert len(tests) == 2
    for test in tests:
        assert callable(test)
        test()
    criteria = {
        **BUILT_IN,
        **{each.name: each for each in made.values() if ICriterion.providedBy(each)},
    }
    assert {"unsafe", "weekend", "email_matches", "signed_in_within"} <= criteria.keys()
    text = 'policy { allow and { signed_in_within 30; email_matches "*@a.com" } deny or { unsafe; weekend } }'
    compile_policy(parse_text(text, "manual"), criteria)
    assert criteria["signed_in_within"].prepare(Criterion("signed_in_within", data=1))
