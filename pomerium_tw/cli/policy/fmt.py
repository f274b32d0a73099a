"""``pomerium-tw policy fmt``: one canonical form, comments kept."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from policy_grammar import PolicySyntaxError

from .canonical import canonical
from .sources import STANDARD_INPUT, read_source, show, write_whole


@click.command()
@click.option("--check", is_flag=True, help="Write nothing; exit with 1 where a file would change.")
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
def fmt(check: bool, files: tuple[str, ...]) -> None:
    """Bring each FILE into canonical form, and name those that change; - formats standard input.

    A FILE is a policy (.ppl, YAML or JSON) or a YAML configuration, of which blanks and indentation change
    alone. Exits with 2 where a FILE cannot be read or written, after all others are done.
    """
    would_change = failed = False
    for name in files:
        try:
            would_change |= _format(name, check)
        except (PolicySyntaxError, OSError) as error:
            show(error, name)
            failed = True
    sys.exit(2 if failed else 1 if check and would_change else 0)


def _format(name: str, check: bool) -> bool:
    """Format one file; whether that changes it."""
    source = read_source(name)
    text = canonical(source)
    changed = text.encode() != source.raw
    if name == STANDARD_INPUT and not check:
        click.echo(text.encode(), nl=False)  # UTF-8, whatever the terminal's
    elif changed:
        if not check:
            write_whole(Path(name), text)
        click.echo(source.name)
    return changed
