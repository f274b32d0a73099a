"""Memory with an end: values under unguessable keys that expire and are bounded in number."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Generic, TypeVar

from twisted.internet.interfaces import IReactorTime

Value = TypeVar("Value")

KEY_BYTES = 24
"""Random bytes of a key: 192 bits."""


class Expiring(Generic[Value]):
    """Values that live ``lifetime`` seconds; past ``size`` of them, a new one pushes out the oldest."""

    def __init__(
        self, clock: IReactorTime, random: Callable[[int], bytes], *, lifetime: float, size: int
    ) -> None:
        self._clock = clock
        self._random = random
        self._lifetime = lifetime
        self._size = size
        self._values: dict[str, tuple[float, Value]] = {}  # oldest first: all live equally long

    def count(self) -> int:
        """How many values are alive."""
        self._drop_dead()
        return len(self._values)

    def put(self, value: Value, key: str = "") -> str:
        """Hold a value, by default under a new unguessable key; gives the key."""
        key = key or base64.urlsafe_b64encode(self._random(KEY_BYTES)).decode()
        self._values.pop(key, None)
        self._drop_dead()
        while len(self._values) >= self._size:
            del self._values[next(iter(self._values))]
        self._values[key] = (self._clock.seconds() + self._lifetime, value)
        return key

    def get(self, key: str) -> Value | None:
        """The value, or None when there is none or its time is over."""
        expires, value = self._values.get(key, (0.0, None))
        return value if expires > self._clock.seconds() else None

    def pop(self, key: str) -> Value | None:
        """As :meth:`get`, and forget it."""
        value = self.get(key)
        self._values.pop(key, None)
        return value

    def _drop_dead(self) -> None:
        now = self._clock.seconds()
        for key in list(self._values):
            if self._values[key][0] > now:
                return
            del self._values[key]
