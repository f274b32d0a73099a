"""What ``twistd pomerium`` takes and starts."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from twisted.application.service import IService, MultiService
from twisted.internet.error import CannotListenError
from twisted.python import usage

from ..config import ConfigError
from ..transport import install_reactor
from .listening import cannot_listen

if TYPE_CHECKING:
    from .run import PomeriumService


class Options(usage.Options):
    """The command line of ``twistd pomerium``."""

    synopsis = "[--config FILE]"
    longdesc = "Runs the proxy. Without a configuration file the environment alone is read."
    optParameters = [["config", "c", None, "Configuration file: YAML, JSON or TOML."]]

    service: PomeriumService

    def postOptions(self) -> None:
        """Builds the service. Raises usage.UsageError for a configuration that cannot be used.

        Not left to :func:`makeService`: twistd shows errors of usage in here alone.
        """
        # twistd has not chosen a reactor yet unless it was told to by --reactor.
        install_reactor()
        from .run import make_service

        try:
            self.service = make_service(self["config"], os.environ)
        except ConfigError as error:
            raise usage.UsageError(f"the configuration cannot be used:\n{_explained(error)}") from error


def _explained(error: ConfigError) -> str:
    return "\n".join(line for problem in error.problems for line in problem.lines)


def makeService(options: Options) -> IService:
    """The service, which ends the process when its store cannot be opened."""
    from twisted.internet import reactor

    running: Any = reactor

    def fail(_failure: object) -> None:
        # twistd itself would end with status 0, which supervisors take for a wish to stop.
        running.addSystemEventTrigger("after", "shutdown", os._exit, 1)
        running.stop()

    options.service.ready.addErrback(fail)
    return Daemon(options.service)


class Daemon(MultiService):
    """Says in one line why it cannot listen; twistd would show a traceback."""

    def __init__(self, service: PomeriumService) -> None:
        super().__init__()
        self._service = service
        service.setServiceParent(self)

    def privilegedStartService(self) -> None:
        try:
            super().privilegedStartService()
        except CannotListenError as error:
            raise SystemExit(cannot_listen(error)) from None
