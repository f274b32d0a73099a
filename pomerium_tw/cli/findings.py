"""How problems and warnings are shown."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import click

from pomerium_tw.config import ConfigError, Problem, load


def examine(file: Path) -> tuple[tuple[Problem, ...], tuple[Problem, ...]]:
    """Problems and warnings of a configuration; those of building it are sought where loading found none."""
    try:
        loaded = load(file, os.environ)
    except ConfigError as error:
        return error.problems, error.warnings
    from pomerium_tw import service

    found = service.check(loaded)
    return found.problems, found.warnings


def report(file: Path, problems: Iterable[Problem], warnings: Iterable[Problem], ready: str) -> bool:
    """Print everything and a line to sum it up; whether the file can be used. ``ready``: what it then is."""
    problems, warnings = tuple(problems), tuple(warnings)
    for problem in warnings:
        _show(problem, "warning: ")
    for problem in problems:
        _show(problem, "")
    state = _count(len(problems), "problem") if problems else ready
    click.echo(f"{file}: {state}, {_count(len(warnings), 'warning')}")
    return not problems


def _show(problem: Problem, kind: str) -> None:
    where = f"{problem.span}: " if problem.span.file else ""
    click.echo(f"{where}{kind}{problem.message}")
    for line in problem.lines[1:]:
        click.echo(f"  {line}")


def _count(number: int, noun: str) -> str:
    return f"{number or 'no'} {noun}{'' if number == 1 else 's'}"
