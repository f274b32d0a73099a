"""What the running service tells its keepers: access log, authorize log, and events, as JSON lines."""

from .access import ACCESS_FIELDS, DEFAULT_ACCESS_FIELDS, Access, AccessLog
from .decisions import AUTHORIZE_FIELDS, DEFAULT_AUTHORIZE_FIELDS, DecisionLog
from .events import start_logging
from .lines import LineWriter
from .log_thread import LogThread
from .stamp import Stamp

__all__ = [
    "ACCESS_FIELDS",
    "AUTHORIZE_FIELDS",
    "DEFAULT_ACCESS_FIELDS",
    "DEFAULT_AUTHORIZE_FIELDS",
    "Access",
    "AccessLog",
    "DecisionLog",
    "LineWriter",
    "LogThread",
    "Stamp",
    "start_logging",
]
