"""``twistd pomerium``."""

import signal
from typing import Any

from twisted.application.service import ServiceMaker


class _Maker(ServiceMaker):
    @property
    def options(self) -> Any:
        # Asked for when this plugin was chosen. Importing takes long enough for somebody to ask for a reload:
        # the signal waits for the service instead of ending the process.
        signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGHUP,))
        return super().options


pomerium = _Maker("pomerium", "pomerium_tw.service.tap", "An identity-aware access proxy", "pomerium")
