"""The ``pomerium-tw`` command. Each sub-command is a module, imported when it is asked for and not before."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import click

_COMMANDS = {
    "config": ("pomerium_tw.cli.config:config", "Look at a configuration without starting anything."),
    "demo": (
        "pomerium_tw.cli.demo:demo",
        "Start the demo: sign-in, an application, three routes.",
    ),
    "policy": ("pomerium_tw.cli.policy:policy", "Check, format, convert and explain policies."),
    "run": ("pomerium_tw.cli.run:run", "Start the services that a configuration describes."),
}
"""Sub-command → where it is found (module:attribute) and its line in the help."""


class LazyGroup(click.Group):
    """A group that knows the names and help lines of its commands without importing them."""

    def __init__(self, *args: Any, table: Mapping[str, tuple[str, str]], **options: Any) -> None:
        super().__init__(*args, **options)
        self._table = table

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 (click's signature)
        return sorted(self._table)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in self._table:
            return None
        module, _, attribute = self._table[cmd_name][0].partition(":")
        command = getattr(import_module(module), attribute)
        if not isinstance(command, click.Command):
            raise TypeError(f"{module}:{attribute} is not a command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in sorted(self._table.items())])


@click.command(cls=LazyGroup, table=_COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="pomerium-tw", prog_name="pomerium-tw")
def main() -> None:
    """pomerium-tw: an identity-aware access proxy."""


__all__ = ["LazyGroup", "main"]
