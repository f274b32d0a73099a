"""The ``state`` parameter: what the authenticate service must know again when the provider's answer comes."""

from __future__ import annotations

import json
from dataclasses import dataclass

from ..session import FLOW_LIFETIME
from ..token import Sealer, SealError
from .redirect_uri import RedirectError, redirect_authority


class StateError(ValueError):
    """The text is not a state that we gave out."""


@dataclass(frozen=True, slots=True)
class SignInState:
    """One sign-in under way. Its secrets are in the flow cookie; the address is here, so that a lost or
    expired sign-in can still offer it."""

    flow_id: str
    redirect_uri: str
    idp_id: str
    issued_at: float
    """Seconds since the epoch."""
    route_flow_id: str

    def seal(self, sealer: Sealer, host: str) -> str:
        """``host``: the authenticate host; another one's states are not ours."""
        parts = [self.flow_id, self.redirect_uri, self.idp_id, self.issued_at, self.route_flow_id]
        return sealer.seal(json.dumps(parts).encode(), b"state", host.encode())

    @classmethod
    def open(cls, text: str, sealer: Sealer, host: str) -> SignInState:
        """Raises StateError. Age is not looked at: see :meth:`expired`."""
        try:
            flow_id, redirect_uri, idp_id, issued_at, route_flow_id = json.loads(
                sealer.open(text, b"state", host.encode())
            )
            redirect_authority(redirect_uri)
        except (SealError, RedirectError, ValueError) as error:
            raise StateError("the state is not ours or was changed") from error
        return cls(flow_id, redirect_uri, idp_id, issued_at, route_flow_id)

    def expired(self, now: float) -> bool:
        return not -FLOW_LIFETIME <= now - self.issued_at <= FLOW_LIFETIME
