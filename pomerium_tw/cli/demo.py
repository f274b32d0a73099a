"""``pomerium-tw demo``: everything at once on this machine, to look at."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

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
    from pomerium_tw.transport import install_reactor  # noqa: PLC0415 - nothing of Twisted before the reactor is chosen

    install_reactor()
    from twisted.internet import reactor  # noqa: PLC0415 - as above
    from twisted.internet.defer import Deferred  # noqa: PLC0415 - as above

    failures: list[BaseException] = []

    def begin() -> None:
        running = Deferred.fromCoroutine(_run(reactor, state_dir, address, port))
        running.addErrback(give_up)

    def give_up(failure: Failure) -> None:
        failures.append(failure.value)
        reactor.stop()  # type: ignore[attr-defined]  # the module stands for the installed reactor

    reactor.callWhenRunning(begin)  # type: ignore[attr-defined]  # as above
    reactor.run()  # type: ignore[attr-defined]  # as above
    if failures:
        _explain(failures[0])


async def _run(reactor: Any, state_dir: Path, address: str, port: int) -> None:
    from rich.console import Console  # noqa: PLC0415 - loaded after the reactor is chosen

    from pomerium_tw.demo import start  # noqa: PLC0415 - as above
    from pomerium_tw.demo.welcome import welcome  # noqa: PLC0415 - as above

    running = await start(reactor, state_dir, address, port)
    reactor.addSystemEventTrigger("before", "shutdown", running.stopService)
    welcome(Console(), running)


def _explain(error: BaseException) -> None:
    """A person's mistake is one sentence; a bug keeps its traceback."""
    from pomerium_tw.config import ConfigError  # noqa: PLC0415 - only needed here
    from pomerium_tw.demo import DemoError  # noqa: PLC0415 - as above

    if isinstance(error, DemoError | ConfigError):
        raise click.ClickException(str(error))
    raise error
