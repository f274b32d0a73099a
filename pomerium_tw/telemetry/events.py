"""Everything else that is worth a line: twisted.logger events as JSON lines (spec/proxy §5.7)."""

from __future__ import annotations

import json
from typing import Any

from twisted.logger import (
    FilteringLogObserver,
    ILogObserver,
    LogLevel,
    LogLevelFilterPredicate,
    formatEvent,
    globalLogBeginner,
)
from zope.interface import implementer

from .lines import LineWriter
from .stamp import Stamp

_LEVELS = {
    "trace": LogLevel.debug,
    "debug": LogLevel.debug,
    "info": LogLevel.info,
    "warn": LogLevel.warn,
    "warning": LogLevel.warn,
    "error": LogLevel.error,
    "critical": LogLevel.critical,
    "fatal": LogLevel.critical,
    "panic": LogLevel.critical,
    "off": LogLevel.critical,
    "none": LogLevel.critical,
    "disabled": LogLevel.critical,
}


@implementer(ILogObserver)
class JSONObserver:
    """Writes an event as one line: level, time, message, logger; and ip, request id and traceback if any."""

    def __init__(self, writer: LineWriter) -> None:
        self._writer = writer
        self._stamp = Stamp()

    def __call__(self, event: dict[str, Any]) -> None:
        level = event.get("log_level", LogLevel.info)
        line: dict[str, Any] = {
            "level": level.name,
            "time": self._stamp(event.get("log_time", 0.0)),
            "message": formatEvent(event),
            "logger": event.get("log_namespace", ""),
        }
        if "ip" in event:
            line["ip"] = str(event["ip"])
        if "request_id" in event:
            line["request-id"] = str(event["request_id"])
        failure = event.get("log_failure")
        if failure is not None:
            line["error"] = f"{failure.type.__name__}: {failure.getErrorMessage()}"
            # Frames without their variables: values may be secrets.
            line["traceback"] = failure.getTraceback(detail="brief")
        self._writer.line(json.dumps(line, separators=(",", ":")) + "\n")
        if level >= LogLevel.warn:
            self._writer.flush()


def start_logging(writer: LineWriter, level: str = "info") -> None:
    """Send every event of ``level`` and above to ``writer`` from now on."""
    predicate = LogLevelFilterPredicate(_LEVELS[level])
    predicate.setLogLevelForNamespace("twisted.internet.protocol.Factory", LogLevel.warn)
    predicate.setLogLevelForNamespace("twisted.web.client", LogLevel.warn)
    # Three lines for each connection that cannot be accepted for want of descriptors, thousands in a second.
    predicate.setLogLevelForNamespace("twisted.internet.tcp.Port", LogLevel.warn)
    predicate.setLogLevelForNamespace("pomerium_tw.transport.eager.EagerPort", LogLevel.warn)
    globalLogBeginner.beginLoggingTo(
        [FilteringLogObserver(JSONObserver(writer), [predicate])], redirectStandardIO=False
    )
