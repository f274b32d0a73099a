"""What keeps the demo from starting."""

from __future__ import annotations


class DemoError(Exception):
    """The demo cannot start; the text says why and what to do."""
