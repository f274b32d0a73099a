"""The demo's identity provider: a real OpenID Provider with three accounts and all its state in memory.

Code flow with PKCE (S256 alone), refresh, revocation, userinfo and sign-out, as ``twisted.web`` resources.
It is for loopback: its passwords are printed and shown.
"""

from .accounts import DEMO_ACCOUNTS, Account
from .clients import Client
from .site import make_identity_provider, make_signing_key

__all__ = ["DEMO_ACCOUNTS", "Account", "Client", "make_identity_provider", "make_signing_key"]
