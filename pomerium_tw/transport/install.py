"""Choosing the reactor: the lean one where it can run and none was chosen yet (DESIGN §7.5)."""

from __future__ import annotations

import select
import sys


def install_reactor() -> str:
    """Install the lean reactor unless a reactor is installed already or the system has no epoll.

    Call it before anything imports ``twisted.internet.reactor``. Returns the name of the reactor's class.
    """
    if "twisted.internet.reactor" not in sys.modules and hasattr(select, "epoll"):
        from twisted.internet.main import installReactor

        from .lean import LeanEPollReactor

        installReactor(LeanEPollReactor())
    from twisted.internet import reactor

    return type(reactor).__name__
