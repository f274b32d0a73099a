"""``pomerium-tw config``: questions about a configuration that nothing needs to run for."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click

from .findings import examine, report


@click.group()
def config() -> None:
    """Look at a configuration without starting anything."""


@config.command()
@click.argument("file", type=click.Path(path_type=Path))
def check(file: Path) -> None:
    """Load FILE with the environment laid over it, build all of it, and say what is wrong with it.

    Exits with 1 where the configuration cannot be used. Warnings alone do not count.
    """
    problems, warnings = examine(file)
    sys.exit(0 if report(file, problems, warnings, "ready to run") else 1)


@config.command()
@click.option("--policy", "policy_alone", is_flag=True, help="Of a policy alone, for files that hold one.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The file to write to, in place of standard output.",
)
def schema(policy_alone: bool, output: Path | None) -> None:
    """Print the JSON Schema of a configuration, for editors.

    Exits with 1 where FILE cannot be written.
    """
    text = json.dumps(_schema(policy_alone), indent=2) + "\n"
    if output is None:
        click.echo(text, nl=False)
        return
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        click.echo(f"{output}: the file cannot be written: {error.strerror}", err=True)
        sys.exit(1)


def _schema(policy_alone: bool) -> dict[str, Any]:
    """Composed here: the two rooms do not know each other."""
    from pomerium_tw.config import config_schema
    from pomerium_tw.policy import policy_file_schema, policy_schema
    from pomerium_tw.service import installed_criteria

    words = installed_criteria().by_name
    return policy_file_schema(words) if policy_alone else config_schema(policy_schema(words))
