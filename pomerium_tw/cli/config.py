"""``pomerium-tw config``: questions about a configuration that nothing needs to run for."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import Path

import click

from pomerium_tw.config import ConfigError, Problem, load


@click.group()
def config() -> None:
    """Look at a configuration without starting anything."""


@config.command()
@click.argument("file", type=click.Path(path_type=Path))
def check(file: Path) -> None:
    """Load FILE with the environment laid over it, build all of it, and say what is wrong with it.

    Exits with 1 where the configuration cannot be used. Warnings alone do not count.
    """
    problems, warnings = _examine(file)
    _print(warnings, "warning: ")
    _print(problems, "")
    if problems:
        click.echo(f"{file}: {_count(len(problems), 'problem')}, {_count(len(warnings), 'warning')}")
        sys.exit(1)
    click.echo(f"{file}: ready to run, {_count(len(warnings), 'warning')}")


def _examine(file: Path) -> tuple[tuple[Problem, ...], tuple[Problem, ...]]:
    """Problems and warnings of a file; those of building it are sought where loading found none."""
    try:
        loaded = load(file, os.environ)
    except ConfigError as error:
        return error.problems, error.warnings
    from pomerium_tw import service

    return tuple(service.check(loaded)), (*loaded.warnings, *loaded.left_out)


def _print(problems: Iterable[Problem], kind: str) -> None:
    for problem in problems:
        where = f"{problem.span}: " if problem.span.file else ""
        click.echo(f"{where}{kind}{problem.message}")
        for line in problem.lines[1:]:
            click.echo(f"  {line}")


def _count(number: int, noun: str) -> str:
    return f"{number or 'no'} {noun}{'' if number == 1 else 's'}"
