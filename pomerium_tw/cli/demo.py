"""``pomerium-tw demo``: everything at once on this machine, to look at."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

if TYPE_CHECKING:
    from twisted.python.failure import Failure


@click.command()
@click.option(
    "--port", default=8443, show_default=True, help="Port; the next free one is used when it is taken."
)
@click.option("--address", default="127.0.0.1", show_default=True, help="Loopback address to listen on.")
@click.option(
    "--state-dir",
    default=Path(".pomerium"),
    show_default=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for database, keys, certificates and configuration.",
)
def demo(port: int, address: str, state_dir: Path) -> None:
    """Run the proxy with a development identity provider and a verify app, on loopback."""
    from pomerium_tw.transport import install_reactor

    install_reactor()
    from twisted.internet import reactor as installed
    from twisted.internet.defer import Deferred

    reactor = cast(Any, installed)  # a module that stands for the reactor
    failures: list[Failure] = []

    def begin() -> None:
        running = Deferred.fromCoroutine(_run(reactor, state_dir, address, port))
        running.addErrback(give_up)

    def give_up(failure: Failure) -> None:
        failures.append(failure)
        reactor.stop()

    reactor.callWhenRunning(begin)
    reactor.run()
    if failures:
        _explain(failures[0])


async def _run(reactor: Any, state_dir: Path, address: str, port: int) -> None:
    from rich.console import Console

    from pomerium_tw.demo import loopback_address, open_log, start, welcome
    from pomerium_tw.service import make_service
    from pomerium_tw.telemetry import LineWriter, LogThread, start_logging

    loopback_address(address)  # refused before anything is written
    writer = LineWriter(LogThread(open_log(state_dir)), reactor)
    start_logging(writer)
    running = await start(reactor, state_dir, address, port, partial(make_service, writer=writer))
    reactor.addSystemEventTrigger("before", "shutdown", running.stopService)
    welcome(Console(), running)


def _explain(failure: Failure) -> None:
    """A person's mistake is one sentence; a bug keeps its traceback."""
    from pomerium_tw.config import ConfigError
    from pomerium_tw.demo import DemoError

    if failure.check(DemoError, ConfigError):
        raise click.ClickException(failure.getErrorMessage())
    failure.raiseException()
