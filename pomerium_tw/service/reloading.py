"""A newer configuration in the place of the running one: the whole of it, or nothing (DESIGN §1)."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields, is_dataclass, replace
from typing import Any

from pydantic import BaseModel
from twisted.internet.defer import maybeDeferred
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from ..config import ConfigError, Loaded, Problem, Settings

log = Logger("pomerium.service")

RELOAD_SECONDS = 1.0
"""Shortest time between two reloads, for the traffic: it is slower during one."""

GIVES_WAY_AFTER = 0.0001
"""Seconds that reading a configuration may keep others from the interpreter (Python's own number is 0.005).

Each request has four system calls, after each of which it would wait so long: beside 1,000 routes being read
requests took 9 ms in the middle with Python's number, and 1 ms with this one; 0.5 ms where nothing is read.
"""

_USUAL_INTERVAL = sys.getswitchinterval()

KEPT = (
    "address",
    "certificate",
    "certificate_file",
    "certificate_key",
    "certificate_key_file",
    "certificates",
    "codec_type",
    "cookie_domain",
    "cookie_expire",
    "cookie_http_only",
    "cookie_name",
    "cookie_same_site",
    "cookie_secret",
    "cookie_secret_previous",
    "databroker_storage_connection_string",
    "databroker_storage_type",
    "access_log_fields",
    "authorize_log_fields",
    "http_redirect_addr",
    "insecure_server",
    "log_level",
    "proxy_log_level",
    "services",
    "shared_secret",
    "shared_secret_previous",
    "state_dir",
    "use_proxy_protocol",
    "workers",
)
"""Keys of what is made once for a process: sockets, certificates, store, secrets, cookies and logs."""


def kept_of(running: Settings, loaded: Loaded) -> tuple[Loaded, tuple[Problem, ...]]:
    """A newer configuration with what the process keeps, and a warning for each key that asks for other."""
    newer = loaded.settings
    kept = {name: getattr(running, name) for name in KEPT}
    said = tuple(
        Problem(loaded.span(name), f"{name} takes effect with the next start")
        for name, value in kept.items()
        if _shown(getattr(newer, name)) != _shown(value)
    )
    return replace(loaded, settings=newer.model_copy(update=kept)), said


def keep_routes(running: Settings, newer: Loaded) -> None:
    """Raises ConfigError where a newer configuration is without any route.

    That is a file in the moment in which it is being written more often than it is anybody's wish.
    """
    if running.all_routes and not newer.settings.all_routes:
        hint = "the running configuration has some; to go on without any, start anew"
        raise ConfigError((Problem(newer.span("routes"), "the configuration holds no routes", hint),))


def _shown(value: Any) -> Any:
    """Secrets compare by identity alone; here it is their content that counts."""
    reveal = getattr(value, "reveal", None)
    if reveal is not None:
        return reveal()
    if isinstance(value, tuple):
        return tuple(map(_shown, value))
    if isinstance(value, BaseModel):
        return tuple(_shown(each) for _name, each in value)
    if is_dataclass(value):
        return tuple(_shown(getattr(value, each.name)) for each in fields(value))
    return value


@contextmanager
def giving_way() -> Iterator[None]:
    """A thread that only computes holds the others up by no more than :data:`GIVES_WAY_AFTER` at a time."""
    sys.setswitchinterval(GIVES_WAY_AFTER)
    try:
        yield
    finally:
        # Not what it was before: that could be from another one, which never ends.
        sys.setswitchinterval(_USUAL_INTERVAL)


class HangUp:
    """Calls back, in the reactor, when the process gets SIGHUP; once for all that come before it does so.

    A process of our own blocks the signal as it begins, so that it does not end by it. One that comes then
    is heard when this starts; those that come after the end of this are ignored.
    """

    def __init__(self, reactor: Any, heard: Callable[[], Any]) -> None:
        """``heard``: may answer with a Deferred. Signals that come before it fires are one call after it."""
        self._reactor = reactor
        self._heard = heard
        self._before: Any = None
        self._blocked = False
        """The signal was blocked before: the process is our own."""
        self._listens = False
        self._asked: IDelayedCall | None = None
        self._under_way = False
        self._began = 0.0
        self._again = False
        """Asked for once more while a call was under way."""
        self._rests_until = 0.0
        """No call before that (seconds since the epoch)."""

    def start(self) -> None:
        """Elsewhere than in the main thread there is nothing to be heard, and nothing happens."""
        if threading.current_thread() is threading.main_thread() and hasattr(signal, "SIGHUP"):
            self._before = signal.signal(signal.SIGHUP, self._signalled)
            self._listens = True
            self._blocked = signal.SIGHUP in signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGHUP,))

    def stop(self) -> None:
        if self._listens:
            # None: the handler was not one of Python's, and cannot be put back.
            before = signal.SIG_DFL if self._before is None else self._before
            signal.signal(signal.SIGHUP, signal.SIG_IGN if self._blocked else before)
            self._listens = False
        asked, self._asked = self._asked, None
        if asked is not None:
            asked.cancel()

    def _signalled(self, *_arguments: object) -> None:
        self._reactor.callFromThread(self._ask)

    def _ask(self) -> None:
        if self._under_way:
            if not self._again:
                since = self._reactor.seconds() - self._began
                log.info("a reload is under way for {since:.1f} s; another one follows it", since=since)
            self._again = True  # what is being read may have changed behind it
        elif self._listens and self._asked is None:
            rest = self._rests_until - self._reactor.seconds()
            # A clock that was set back makes nobody wait the longer.
            self._asked = self._reactor.callLater(min(max(rest, 0.0), RELOAD_SECONDS), self._call)

    def _call(self) -> None:
        self._asked = None
        self._under_way = True
        self._began = self._reactor.seconds()
        maybeDeferred(self._heard).addErrback(_not_reloaded).addCallback(self._called)

    def _called(self, _result: object) -> None:
        self._under_way = False
        self._rests_until = self._reactor.seconds() + RELOAD_SECONDS
        again, self._again = self._again, False
        if again:
            self._ask()


def _not_reloaded(failure: Failure) -> None:
    log.failure("reload: nothing was changed, the old configuration decides", failure)


def lines_of(problems: tuple[Problem, ...]) -> Iterator[str]:
    """Problems as a log has them, one line each."""
    return (str(problem) + (f" ({problem.hint})" if problem.hint else "") for problem in problems)
