"""A value that must never be printed."""

from __future__ import annotations

from typing import Any


class Secret:
    """Wraps bytes whose ``repr``, ``str`` and formatting are stars; :meth:`reveal` is the only way in.

    Comparable by identity alone: comparing secrets is :func:`hmac.compare_digest`'s job.
    """

    __slots__ = ("_value",)

    def __init__(self, value: bytes | str) -> None:
        self._value = value.encode() if isinstance(value, str) else bytes(value)

    def reveal(self) -> bytes:
        """The bytes themselves. Call it where they are used, never to pass them on."""
        return self._value

    def reveal_text(self) -> str:
        return self._value.decode()

    def __bool__(self) -> bool:
        return bool(self._value)

    def __repr__(self) -> str:
        return "Secret('********')"

    __str__ = __repr__

    def __reduce__(self) -> Any:
        raise TypeError("a Secret cannot be pickled or copied to another process")
