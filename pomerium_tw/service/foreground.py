"""Running the service as a process of its own: logs to standard output, until a signal or a fatal failure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twisted.internet.error import CannotListenError
from twisted.logger import Logger
from twisted.python.failure import Failure

from ..telemetry import LineWriter, LogThread, start_logging
from .listening import cannot_listen
from .run import STANDARD_OUTPUT, PomeriumService, configuration

log = Logger("pomerium.service")


def run_service(config_path: str | None, environ: Mapping[str, str], reactor: Any) -> int:
    """Run until stopped; the process's exit status. Raises ConfigError before anything is started."""
    source = configuration(config_path, environ)
    loaded = source()
    writer = LineWriter(LogThread(STANDARD_OUTPUT), reactor)
    start_logging(writer, loaded.settings.log_level)
    service = PomeriumService(loaded, reactor, writer, source)
    status = 0

    def fatal(_failure: Failure) -> None:
        nonlocal status
        status = 1
        reactor.stop()

    def begin() -> None:
        try:
            service.startService()
        except CannotListenError as error:
            log.error("{problem}", problem=cannot_listen(error))  # noqa: TRY400 - says it all
            fatal(Failure())
        else:
            service.ready.addErrback(fatal)
            reactor.addSystemEventTrigger("before", "shutdown", service.stopService)

    reactor.callWhenRunning(begin)
    reactor.run()
    writer.flush()
    return status
