"""The provider's tokens of a caller, opened when an upstream is to be sent one."""

from __future__ import annotations

from ..databroker import SESSION, Mirror
from ..identity import Tokens
from ..model import Identity
from ..token import Sealer
from .records import open_tokens


class SessionTokens:
    """Reads from memory: the mirror holds the sealed tokens of every session."""

    def __init__(self, mirror: Mirror, sealer: Sealer) -> None:
        self._mirror = mirror
        self._sealer = sealer

    def of(self, identity: Identity) -> Tokens:
        """Empty ones for a caller without a session or where they cannot be opened any more.

        Raises StoreUnavailable.
        """
        if identity.session is None:
            return Tokens()
        record = self._mirror.get(SESSION, identity.session.id)
        return (open_tokens(record, self._sealer) if record is not None else None) or Tokens()
