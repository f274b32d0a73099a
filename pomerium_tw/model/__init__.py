"""The values everybody speaks: requests, replies, routes, identities, decisions and secrets.

Pure: no I/O, no Twisted.
"""

from .decision import Decision, Outcome
from .identity import ANONYMOUS, NO_CLAIMS, Claims, Identity, Session, User, flatten_claims
from .request import Head, Peer, Reply, Request, Target, redirect
from .route import Route, Upstream
from .secret import Secret

__all__ = [
    "ANONYMOUS",
    "NO_CLAIMS",
    "Claims",
    "Decision",
    "Head",
    "Identity",
    "Outcome",
    "Peer",
    "Reply",
    "Request",
    "Route",
    "Secret",
    "Session",
    "Target",
    "Upstream",
    "User",
    "flatten_claims",
    "redirect",
]
