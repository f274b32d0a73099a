"""Putting the provider together."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence

from cryptography.hazmat.primitives.asymmetric import rsa
from twisted.internet.interfaces import IReactorTime
from twisted.web.resource import Resource
from twisted.web.server import Request

from pomerium_tw.demo.web import QuietSite, Tree, assets, html

from .accounts import DEMO_ACCOUNTS, Account, Accounts
from .authorize import Authorize, SignIn
from .back_channel import BackChannel, UserInfo, issue_tokens, revoke_token
from .browser import Browsers
from .clients import Client, Clients
from .core import Core, Random
from .discovery import Discovery, Keys
from .end_session import EndSession
from .grants import Grants
from .id_tokens import IDTokens


def make_signing_key() -> rsa.RSAPrivateKey:
    """A new key for ID tokens."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def make_identity_provider(
    issuer: str,
    clients: Iterable[Client],
    clock: IReactorTime,
    random: Random = os.urandom,
    *,
    accounts: Sequence[Account] = DEMO_ACCOUNTS,
    signing_key: rsa.RSAPrivateKey | None = None,
) -> QuietSite:
    """An OpenID Provider to listen with.

    ``issuer`` is its public URL: whatever Host a request names, this is what documents, redirects and tokens
    say. All state is in memory and bounded; ``signing_key`` is made anew unless given.
    """
    core = Core(
        issuer=issuer.rstrip("/"),
        clock=clock,
        clients=Clients(clients),
        accounts=Accounts(accounts, clock, random),
        browsers=Browsers(issuer, clock, random),
        grants=Grants(clock, random),
        id_tokens=IDTokens(issuer.rstrip("/"), signing_key or make_signing_key()),
    )
    return QuietSite(_tree(core))


def _tree(core: Core) -> Resource:
    well_known = Tree()
    well_known.putChild(b"openid-configuration", Discovery(core))
    root = Tree()
    root.putChild(b"", _Home(core))
    root.putChild(b".well-known", well_known)
    root.putChild(b"assets", assets())
    root.putChild(b"authorize", Authorize(core))
    root.putChild(b"end-session", EndSession(core))
    root.putChild(b"jwks.json", Keys(core))
    root.putChild(b"revoke", BackChannel(core, revoke_token))
    root.putChild(b"sign-in", SignIn(core))
    root.putChild(b"token", BackChannel(core, issue_tokens))
    root.putChild(b"userinfo", UserInfo(core))
    return root


class _Home(Resource):
    """``/``: who is signed in at the provider."""

    isLeaf = True

    def __init__(self, core: Core) -> None:
        super().__init__()
        self._core = core

    def render_GET(self, request: Request) -> bytes:
        session = self._core.browsers.session(request)
        return html(
            request,
            "idp_home.html",
            account=self._core.account(session) if session else None,
            accounts=self._core.accounts.listed,
        )
