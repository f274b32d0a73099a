"""Choosing the reactor: the lean one where it can run and none was chosen yet (DESIGN §7.5)."""

from __future__ import annotations

import select
import sys
from typing import Any

from .descriptors import keep_standard_descriptors


def install_reactor() -> str:
    """Install the lean reactor unless a reactor is installed already or the system has no epoll.

    Whichever it is looks names up by :class:`Names` from then on. Call it before anything imports
    ``twisted.internet.reactor``. Returns the name of the reactor's class.
    """
    # Before it opens what would take their places.
    keep_standard_descriptors()
    if "twisted.internet.reactor" not in sys.modules and hasattr(select, "epoll"):
        from twisted.internet.main import installReactor

        from .lean import LeanEPollReactor

        installReactor(LeanEPollReactor())
    from twisted.internet import reactor as installed

    from .resolver import Names

    reactor: Any = installed
    if not isinstance(reactor.nameResolver, Names):
        reactor.installNameResolver(Names(reactor))
    return type(reactor).__name__
