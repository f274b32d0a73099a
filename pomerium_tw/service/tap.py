"""What ``twistd pomerium`` takes and starts."""

from __future__ import annotations

import os

from twisted.application.service import IService
from twisted.python import usage

from ..config import ConfigError
from ..transport import install_reactor


class Options(usage.Options):
    """The command line of ``twistd pomerium``."""

    synopsis = "[--config FILE]"
    longdesc = "Runs the proxy. Without a configuration file the environment alone is read."
    optParameters = [["config", "c", None, "Configuration file: YAML, JSON or TOML."]]

    def postOptions(self) -> None:
        # twistd has not chosen a reactor yet unless it was told to by --reactor.
        install_reactor()


def makeService(options: Options) -> IService:
    """Raises usage.UsageError, which twistd shows, for a configuration that cannot be used."""
    from .run import make_service

    try:
        return make_service(options["config"], os.environ)
    except ConfigError as error:
        raise usage.UsageError(f"the configuration cannot be used:\n{error}") from error
