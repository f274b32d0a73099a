"""The keys that an installation runs on, from the configured secrets."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

from ..authenticate import Keys
from ..config import Settings
from ..model import Secret
from ..token import SigningKeys, derive_signing_key, load_signing_keys, subkey

SECRET_BYTES = 32


@dataclass(frozen=True)
class Secrets:
    """The two secrets with their predecessors; random for this run where the configuration has none."""

    shared: Secret
    shared_previous: tuple[Secret, ...]
    cookie: Secret
    cookie_previous: tuple[Secret, ...]

    @classmethod
    def of(cls, settings: Settings, random: Callable[[int], bytes] = os.urandom) -> Secrets:
        """As configured. Without secrets, sessions end with the process; the loader warns of that."""
        return cls(
            settings.shared_secret or Secret(random(SECRET_BYTES)),
            settings.shared_secret_previous,
            settings.cookie_secret or Secret(random(SECRET_BYTES)),
            settings.cookie_secret_previous,
        )

    def conversation_keys(self) -> Keys:
        return Keys.derive(self.shared, self.cookie, self.shared_previous, self.cookie_previous)

    def shared_keys(self, purpose: str) -> tuple[Secret, tuple[Secret, ...]]:
        """The sub-key for ``purpose`` and those of previous secrets."""
        return subkey(self.shared, purpose), tuple(subkey(older, purpose) for older in self.shared_previous)

    def signing_keys(self, configured: Secret | None) -> SigningKeys:
        """``signing_key``, or the key that every node derives alike. Raises SigningKeyError."""
        return load_signing_keys(configured) if configured is not None else derive_signing_key(self.shared)
