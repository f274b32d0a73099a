"""Connections that may not become something other than HTTP."""

from __future__ import annotations

from ..facts import ErrorFacts
from .wording import ASK


def upgrade_malformed(message: str) -> ErrorFacts:
    """``message``: one sentence on what is wrong with the handshake."""
    return ErrorFacts(
        400,
        "This connection cannot be upgraded",
        message,
        f"It was most likely sent by a program that has a fault, or changed on its way here. {ASK}",
        "upgrade_malformed",
    )


def upgrade_not_allowed() -> ErrorFacts:
    """The route does not name the protocol that was asked for."""
    return ErrorFacts(
        403,
        "This kind of connection is not allowed",
        "You were let in, but this address is not set up for the protocol that was asked for.",
        f"If the application needs it, the route has to allow it. {ASK}",
        "upgrade_not_allowed",
    )


def origin_not_allowed() -> ErrorFacts:
    """A page of another site opens a WebSocket here, with the cookies of whoever looks at it."""
    return ErrorFacts(
        403,
        "This connection was opened by another site",
        "A WebSocket may only be opened by pages of the same address, and this page is of another one.",
        f"If that page is meant to, the route has to name its origin. {ASK}",
        "websocket_origin_not_allowed",
    )
