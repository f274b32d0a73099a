"""``pomerium-tw policy explain``: why a request is let in or not."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from pomerium_tw.policy import Node
    from pomerium_tw.service import Explained

_VALUES = {True: "true", False: "false", None: "unknown"}
_WIDTH = max(map(len, _VALUES.values()))


def _moment(_context: click.Context, _option: click.Parameter, written: str | None) -> float | None:
    """Seconds since the epoch."""
    if written is None:
        return None
    try:
        found = datetime.fromisoformat(written)
    except ValueError:
        raise click.BadParameter(f"{written!r} is not a time such as 2026-01-31T16:20:00+01:00") from None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


@click.command()
@click.option(
    "--config",
    "config_file",
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The configuration.",
)
@click.option("--url", required=True, help="What is asked for: https://app.example.com/path.")
@click.option("--method", default="GET", show_default=True)
@click.option("--header", "headers", multiple=True, metavar="NAME:VALUE", help="A header of the request.")
@click.option(
    "--user", default="", help="The user id; with this or one of the next three, somebody is signed in."
)
@click.option("--email", default="", help="The e-mail address.")
@click.option(
    "--claim",
    "claims",
    multiple=True,
    metavar="NAME=VALUE",
    help='A claim; again for more values. 5, true and "5" are read as JSON, other values as text.',
)
@click.option("--group", "groups", multiple=True, metavar="ID", help="A directory group.")
@click.option(
    "--ip", default="", help="The address of the client; without it, what depends on it is unknown."
)
@click.option(
    "--cert",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The client's certificate, PEM, intermediates after it.",
)
@click.option(
    "--at", callback=_moment, metavar="TIME", help="When: ISO 8601; UTC without an offset. Now by default."
)
def explain(config_file: Path, url: str, at: float | None, **given: Any) -> None:
    """Say what would be decided on a request, and why: each part of the policy with its value and its place.

    Nothing is started and nobody is asked: who is signed in is what the options say. Exits with 0 whatever
    the decision is, with 1 where the configuration cannot be used, with 2 where an option cannot be read.
    """
    from pomerium_tw.model import reserved

    from .situation import situation

    asked = situation(url, **given)
    explained = _explained(config_file, at, asked)
    click.echo(f"{asked.request.method} {asked.request.url}, {asked.who}")
    if reserved(asked.request.target.path):
        click.echo(
            "no policy is asked: pomerium_tw answers this address itself, on every host that it serves"
        )
        return
    if explained is None:
        click.echo("denied (404): no route takes this request")
        return
    click.echo(f"route {explained.route.name} at {explained.span}")
    click.echo(explained.verdict.sentence)
    click.echo()
    for line in _tree(explained):
        click.echo(line)


def _explained(config_file: Path, at: float | None, asked: Any) -> Explained | None:
    import os

    from pomerium_tw.config import ConfigError, load
    from pomerium_tw.service import Explaining

    try:
        explaining = Explaining(load(config_file, os.environ), time.time if at is None else lambda: at)
    except ConfigError as error:
        for line in (line for problem in error.problems for line in problem.lines):
            click.echo(line, err=True)
        sys.exit(1)
    return explaining.explain(asked.request, asked.identity, asked.known)


def _tree(explained: Explained) -> Iterator[str]:
    """One line a node: value, the node as the text notation writes it, reasons, place."""
    rows = [row for rule in explained.explanation.rules for row in _rows(rule, 0)]
    if not rows:
        yield "the policy has no rules"
    width = max((len(text) for _value, text, _span in rows), default=0)
    for value, text, span in rows:
        yield f"{value:<{_WIDTH}}  {text:<{width}}  {span}".rstrip()


def _rows(node: Node, depth: int) -> Iterator[tuple[str, str, str]]:
    said = ", ".join(sorted(node.reasons))
    missing = f"needs {', '.join(node.missing)}" if node.missing else ""
    note = f"  ({said or missing})" if said or missing else ""
    yield _VALUES[node.value], f"{'    ' * depth}{node.text}{note}", str(node.span)
    for child in node.children:
        yield from _rows(child, depth + 1)
