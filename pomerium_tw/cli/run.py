"""``pomerium-tw run FILE``: start a configuration in the foreground."""

from __future__ import annotations

import os
import signal
import sys
from typing import Any, cast

import click


@click.command()
@click.argument("file", type=click.Path(dir_okay=False), required=False)
def run(file: str | None) -> None:
    """Start the proxy with the configuration FILE; without one, the environment alone is read."""
    # Importing takes long enough for somebody to ask for a reload: the signal waits for the service instead
    # of ending the process.
    signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGHUP,))
    from pomerium_tw.transport import install_reactor

    install_reactor()
    from twisted.internet import reactor as installed

    from pomerium_tw.config import ConfigError
    from pomerium_tw.service import run_service

    reactor = cast(Any, installed)
    try:
        status = run_service(file, os.environ, reactor)
    except ConfigError as error:
        for line in (line for problem in error.problems for line in problem.lines):
            click.echo(line, err=True)
        click.echo("the configuration cannot be used: nothing was started", err=True)
        status = 1
    sys.exit(status)
