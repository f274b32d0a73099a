"""The one error that verification raises."""

from __future__ import annotations

_SHOWN = 80
"""Characters of a foreign value that a message repeats."""


class VerificationError(Exception):
    """The assertion proves nothing; :attr:`reason` says in plain words why not.

    The text holds no token and no control characters, so it may be logged or shown (escaped) to the caller.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def shown(value: object) -> str:
    """A foreign value as a message may repeat it: quoted, one line, ASCII, short."""
    text = ascii(value)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
