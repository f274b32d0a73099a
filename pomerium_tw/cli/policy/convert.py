"""``pomerium-tw policy convert``: the other notation, nothing lost."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Literal

import click

from policy_grammar import PolicySyntaxError

from .canonical import parsed, written
from .sources import read_source, show, write_whole


@click.command()
@click.option(
    "--to", "notation", required=True, type=click.Choice(["ppl", "yaml"]), help="The notation to write."
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The file to write to, in place of standard output.",
)
@click.argument("file")
def convert(notation: Literal["ppl", "yaml"], output: Path | None, file: str) -> None:
    """Write FILE in the other notation: rules, names, includes and comments; - is standard input.

    Paths of includes stay as they are. Exits with 2 where FILE cannot be read or the answer not written.
    """
    try:
        source = read_source(file)
        text = written(parsed(source), notation, source)
        if output is None:
            click.echo(text.encode(), nl=False)  # UTF-8, whatever the terminal's
        else:
            write_whole(output, text)
    except (PolicySyntaxError, OSError) as error:
        show(error, str(output))
        sys.exit(2)
