"""What ``twistd pomerium`` takes and starts."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twisted.application.service import IService, MultiService
from twisted.internet.error import CannotListenError
from twisted.logger import Logger
from twisted.python import usage

from ..config import ConfigError
from ..transport import install_reactor
from .listening import cannot_listen

if TYPE_CHECKING:
    from .run import PomeriumService

log = Logger("pomerium.service")

NO_STANDARD_OUTPUT = (
    "the access log and the authorize log would be lost, since a daemon has no standard output: "
    "start twistd with -n, or turn both off (log_level: warn)"
)
STATUS_BYTES = 98
"""What twistd reads of the reason that a daemon gives for not starting, its status aside."""


class Options(usage.Options):
    """The command line of ``twistd pomerium``."""

    synopsis = "[--config FILE]"
    longdesc = "Runs the proxy. Without a configuration file the environment alone is read."
    optParameters = [["config", "c", None, "Configuration file: YAML, JSON or TOML."]]

    service: PomeriumService

    def postOptions(self) -> None:
        """Builds the service. Raises usage.UsageError for a configuration that cannot be used, or not so.

        Not left to :func:`makeService`: twistd shows errors of usage in here alone.
        """
        # twistd has not chosen a reactor yet unless it was told to by --reactor.
        install_reactor()
        from .run import make_service

        try:
            self.service = make_service(self["config"], os.environ)
        except ConfigError as error:
            raise usage.UsageError(f"the configuration cannot be used:\n{_explained(error)}") from error
        if self.service.writes_lines and self._becomes_daemon:
            raise usage.UsageError(NO_STANDARD_OUTPUT)

    @property
    def started_by(self) -> Mapping[str, Any]:
        """What twistd itself was told, and what it notes there later; nothing when it was not twistd."""
        return self.parent or {}

    @property
    def _becomes_daemon(self) -> bool:
        # The `twist` command has no such option, and never does.
        return not (self.started_by.get("nodaemon", True) or self.started_by.get("debug"))


def _explained(error: ConfigError) -> str:
    return "\n".join(line for problem in error.problems for line in problem.lines)


def makeService(options: Options) -> IService:
    """The service, which ends the process when its store cannot be opened, and its log with the process."""
    from twisted.internet import reactor

    running: Any = reactor

    def fail(_failure: object) -> None:
        # twistd itself would end with status 0, which supervisors take for a wish to stop.
        running.addSystemEventTrigger("after", "shutdown", _end, options.started_by)
        running.stop()

    options.service.ready.addErrback(fail)
    # twistd ends by the signal that stopped it: Python's own end never comes. Before _end, which ends it too.
    running.addSystemEventTrigger("after", "shutdown", options.service.close_log)
    return Daemon(options.service, options.started_by)


def _end(started_by: Mapping[str, Any]) -> None:
    _remove_pid_file(started_by)
    os._exit(1)


def _remove_pid_file(started_by: Mapping[str, Any]) -> None:
    """What twistd does itself, but only where it ends in its own way."""
    if path := started_by.get("pidfile"):
        with suppress(OSError):
            Path(path).unlink()


class Daemon(MultiService):
    """Says in one line why it cannot listen; twistd would show a traceback."""

    def __init__(self, service: PomeriumService, started_by: Mapping[str, Any]) -> None:
        """``started_by``: see :attr:`Options.started_by`."""
        super().__init__()
        self._started_by = started_by
        service.setServiceParent(self)

    def privilegedStartService(self) -> None:
        try:
            super().privilegedStartService()
        except CannotListenError as error:
            reason = cannot_listen(error)
            _remove_pid_file(self._started_by)
            status_pipe = self._started_by.get("statusPipe")
            if status_pipe is None:
                raise SystemExit(reason) from None
            log.error("{problem}", problem=reason)  # noqa: TRY400 - says it all
            # Whoever started this daemon waits for a word, for ever.
            os.write(status_pipe, b"1 " + reason.encode()[:STATUS_BYTES])
            raise SystemExit(1) from None
