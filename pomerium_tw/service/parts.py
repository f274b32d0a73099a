"""What outlives a generation: store, mirror, sessions, logs, clock."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..config import Settings
from ..databroker import CleanUp, IRecordStore, MemoryStore, Mirror, SQLiteStore
from ..proxy import Finish, LongLived, Sweep
from ..session import CALLER_RECORDS, CookieSettings, HandleCodec, Identities
from ..telemetry import AccessLog, DecisionLog, LineWriter
from ..transport import Threads
from .secrets import Secrets

DATABASE_NAME = "databroker.sqlite"


@dataclass(frozen=True)
class Parts:
    """Made once for a running service."""

    reactor: Any
    secrets: Secrets
    store: IRecordStore
    mirror: Mirror
    clean_up: CleanUp
    identities: Identities
    codec: HandleCodec
    cookies: CookieSettings
    sweep: Sweep
    lasting: LongLived
    finish: Finish
    access_log: AccessLog
    decision_log: DecisionLog
    writes_lines: bool
    """One of these logs is on."""
    threads: Threads
    """Of the store."""

    @classmethod
    def make(cls, settings: Settings, reactor: Any, writer: LineWriter) -> Parts:
        secrets = Secrets.of(settings)
        threads = Threads(reactor, "databroker", 1)
        store = _store(settings, reactor, threads)
        mirror = Mirror(store, CALLER_RECORDS, reactor)
        key, previous = secrets.shared_keys("session-handle")
        service = settings.authenticate_service_url
        codec = HandleCodec(key, previous, service.host if service else "")
        sweep = Sweep(reactor)
        identities = Identities(mirror, codec, reactor.seconds)
        # Nothing is let through again before a generation says what is.
        lasting = LongLived(reactor, lambda _exchange: False)
        identities.on_change(lasting.session_changed)
        logs_access = settings.access_log_level in ("trace", "debug", "info")
        logs_decisions = settings.log_level in ("trace", "debug", "info")
        return cls(
            reactor=reactor,
            secrets=secrets,
            store=store,
            mirror=mirror,
            clean_up=CleanUp(store, reactor),
            identities=identities,
            codec=codec,
            cookies=CookieSettings(
                settings.cookie_name,
                settings.cookie_domain,
                settings.cookie_http_only,
                settings.cookie_expire,
                settings.cookie_same_site,
            ),
            sweep=sweep,
            lasting=lasting,
            finish=Finish(reactor, sweep, lasting),
            access_log=AccessLog(
                writer,
                settings.access_log_fields,
                enabled=logs_access,
                debug=settings.access_log_level in ("trace", "debug"),
            ),
            decision_log=DecisionLog(writer, settings.authorize_log_fields, enabled=logs_decisions),
            writes_lines=logs_access or logs_decisions,
            threads=threads,
        )


def _store(settings: Settings, reactor: Any, threads: Threads) -> IRecordStore:
    if settings.databroker_storage_type == "memory":
        return MemoryStore(reactor)
    return SQLiteStore(Path(settings.storage_folder) / DATABASE_NAME, reactor, threads)
