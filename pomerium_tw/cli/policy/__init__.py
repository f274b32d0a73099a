"""``pomerium-tw policy``: questions about policies that nothing needs to run for."""

from __future__ import annotations

import click

from .. import LazyGroup

_COMMANDS = {
    "check": ("pomerium_tw.cli.policy.check:check", "Say what is wrong with policies, with positions."),
    "convert": ("pomerium_tw.cli.policy.convert:convert", "Write a policy file in the other notation."),
    "eval": ("pomerium_tw.cli.policy.eval:eval_cases", "Answer the cases of a conformance suite."),
    "explain": (
        "pomerium_tw.cli.policy.explain:explain",
        "Say how a request is decided, and what decides it.",
    ),
    "fmt": ("pomerium_tw.cli.policy.fmt:fmt", "Bring policy files and configurations into canonical form."),
}
"""Sub-command → where it is found (module:attribute) and its line in the help."""


@click.command(cls=LazyGroup, table=_COMMANDS)
def policy() -> None:
    """Check, format, convert and explain policies."""


__all__ = ["policy"]
