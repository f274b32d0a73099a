"""Logs of tests are written where they are told, not by a thread."""

from __future__ import annotations

from pomerium_tw.telemetry import LogThread


class AtOnce(LogThread):
    """Writes before :meth:`put` returns."""

    def put(self, data: bytes) -> None:
        self.write_out(data)
