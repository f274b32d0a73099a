"""The keys with which a provider signs (RFC 7517), fetched when needed and not more often than decent."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from twisted.internet.defer import Deferred

from .client import BoundedClient
from .errors import ProviderError, ProviderUnavailableError
from .shared import SharedFetch

KEYS_LIFETIME = 3600.0
"""Seconds after which keys are fetched anew: a withdrawn key is believed no longer than this."""
REFETCH_INTERVAL = 60.0
"""Seconds between fetches for the sake of unknown key ids: anyone can make such a token."""
MAX_KEYS = 100
"""Keys in a provider's set; one with more is refused."""

Jwk = Mapping[str, Any]


class ProviderKeys:
    """The key set at one address. ``locate`` answers the address; ``now`` is in seconds since the epoch."""

    def __init__(
        self,
        client: BoundedClient,
        locate: Callable[[], Coroutine[Deferred[Any], Any, str]],
        now: Callable[[], float],
    ) -> None:
        self._client = client
        self._locate = locate
        self._now = now
        self._keys: tuple[Jwk, ...] = ()
        self._fetched_at = float("-inf")
        self._fetching = SharedFetch(self._fetch)

    async def candidates(self, key_id: str | None) -> tuple[Jwk, ...]:
        """The keys that may have signed a token with that ``kid``: all signing keys when it names none.

        An unknown id is looked for in a fresh set, once a minute at most. Raises ProviderError.
        """
        age = self._now() - self._fetched_at
        if age > KEYS_LIFETIME or (age > REFETCH_INTERVAL and not self._matching(key_id)):
            await self._fetching.get()
        return self._matching(key_id)

    def _matching(self, key_id: str | None) -> tuple[Jwk, ...]:
        return tuple(key for key in self._keys if key_id is None or key.get("kid") == key_id)

    async def _fetch(self) -> None:
        answer = await self._client.get(await self._locate())
        if answer.status != 200:
            raise ProviderUnavailableError(f"the provider's key set answers {answer.status}")
        keys = answer.json().get("keys")
        if not isinstance(keys, list) or len(keys) > MAX_KEYS:
            raise ProviderError("the provider's key set is not one")
        self._keys = tuple(key for key in keys if isinstance(key, dict) and key.get("use", "sig") == "sig")
        self._fetched_at = self._now()
