"""``/.well-known/pomerium``: where things are, and the keys that verify assertions. Open to every origin."""

from __future__ import annotations

from ..model import Reply
from .conditional import Entity
from .render import json_reply
from .resource import OwnRequest, Page

JWKS_PATH = "/.well-known/pomerium/jwks.json"

_ANY_ORIGIN = (b"Access-Control-Allow-Origin", b"*")


class OpenPage(Page):
    """A page that scripts of every origin may read; it must not depend on who asks."""

    async def options(self, _request: OwnRequest) -> Reply:
        """The answer to a CORS preflight (Fetch standard, "CORS-preflight fetch")."""
        headers = (
            _ANY_ORIGIN,
            (b"Access-Control-Allow-Methods", b"GET, HEAD"),
            (b"Access-Control-Allow-Headers", b"*"),
            (b"Access-Control-Max-Age", b"3600"),
        )
        return Reply(204, headers)


class WellKnown(OpenPage):
    """The discovery document of a host (spec/identity §5.1)."""

    def __init__(self, callback_url: str) -> None:
        """``callback_url``: where identity providers send browsers back to, on the authenticate host."""
        super().__init__()
        self._callback_url = callback_url

    async def get(self, request: OwnRequest) -> Reply:
        root = f"https://{request.incoming.authority}"
        document = {
            "issuer": f"{root}/",
            "authentication_callback_endpoint": self._callback_url,
            "jwks_uri": f"{root}{JWKS_PATH}",
            "frontchannel_logout_uri": f"{root}/.pomerium/sign_out",
        }
        return json_reply(document, headers=(_ANY_ORIGIN,))


class KeySet(OpenPage):
    """The JWKS that upstream applications verify assertions with (spec/identity §10.4, RFC 7517 §5)."""

    def __init__(self, jwks: bytes) -> None:
        super().__init__()
        self._entity = Entity.of("application/json", jwks)

    async def get(self, request: OwnRequest) -> Reply:
        return self._entity.reply(request.incoming, b"max-age=60", (_ANY_ORIGIN,))
