"""A newer configuration in the place of the running one: the whole of it, or nothing (DESIGN §1)."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass, replace
from typing import Any

from pydantic import BaseModel

from ..config import Loaded, Problem, Settings

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


class HangUp:
    """Calls back, in the reactor, when the process gets SIGHUP."""

    def __init__(self, reactor: Any, heard: Callable[[], object]) -> None:
        self._reactor = reactor
        self._heard = heard
        self._before: Any = None
        self._listens = False

    def start(self) -> None:
        """Elsewhere than in the main thread there is nothing to be heard, and nothing happens."""
        if threading.current_thread() is threading.main_thread() and hasattr(signal, "SIGHUP"):
            self._before = signal.signal(signal.SIGHUP, self._signalled)
            self._listens = True

    def stop(self) -> None:
        if self._listens:
            # None: the handler was not one of Python's, and cannot be put back.
            signal.signal(signal.SIGHUP, signal.SIG_DFL if self._before is None else self._before)
            self._listens = False

    def _signalled(self, *_arguments: object) -> None:
        self._reactor.callFromThread(self._heard)


def lines_of(problems: tuple[Problem, ...]) -> Iterator[str]:
    """Problems as a log has them, one line each."""
    return (str(problem) + (f" ({problem.hint})" if problem.hint else "") for problem in problems)
