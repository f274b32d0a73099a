"""``pomerium-tw policy check``: errors and surprises of policies, before anything runs on them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import click

from policy_grammar import PolicySyntaxError
from pomerium_tw.config import notation_of, read_policy_data

from ..findings import examine, report
from .canonical import is_policy
from .sources import read_source


@click.command()
@click.option("--strict", is_flag=True, help="Warnings of policy files are errors, as under strict_policy.")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
def check(files: Sequence[Path], strict: bool) -> None:
    """Check FILES, each a configuration or policies in either notation, and say what is wrong with them.

    Errors and warnings come with file, line and column. Exits with 1 where one of the files cannot be used;
    warnings alone do not count.
    """
    good = [_check(file, strict=strict) for file in files]
    sys.exit(0 if all(good) else 1)


def _holds_policies(file: Path) -> bool:
    """Whether a file is one of policies, in place of a configuration; one that cannot be read is neither."""
    notation = notation_of(file)
    if notation == "ppl":
        return file.suffix.lower() != ".toml"
    try:
        text = read_source(str(file)).text
        said = any(line.strip() and not line.lstrip().startswith("#") for line in text.splitlines())
        return not said or is_policy(read_policy_data(text, str(file), notation)[0])
    except PolicySyntaxError:
        return False


def _check(file: Path, *, strict: bool) -> bool:
    from pomerium_tw.policy import Environment
    from pomerium_tw.service import PolicyCheck

    if not _holds_policies(file):
        return report(file, *examine(file), "ready to run")
    found = PolicyCheck(Environment(), strict=strict)
    for policy in found.read(file):
        found.compile(policy)
    return report(file, found.problems, found.warnings, "good policies")
