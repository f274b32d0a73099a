"""Being told to stop while stopping."""

from __future__ import annotations

STOPPED_AGAIN = "stopped again"
"""System event of the lean reactor: it was told to stop (SIGTERM, SIGINT) while it waits for what is to end
before it does. Whoever holds it up may let go. Other reactors know no such event, and log an error.
"""
