"""Who may see the addresses that we answer ourselves: no policy speaks of them (spec/ppl §6)."""

from __future__ import annotations

from ..model import reserved
from ..policy import UNAUTHENTICATED, Evaluation
from .ladder import ROUTE_NOT_FOUND

_SIGNED_IN_ONLY = frozenset(
    "/.pomerium/" + page
    for page in (
        "api/v1/routes",
        "jwt",
        "mcp/authorize",
        "mcp/connect",
        "mcp/routes",
        "routes",
        "user",
        "webauthn",
    )
)
"""Pages about the caller. All others are for everybody, and say nothing that needs a session."""

_ALLOWED = Evaluation(True, frozenset(("pomerium-route",)), False, frozenset())
_SIGN_IN_FIRST = Evaluation(False, frozenset((UNAUTHENTICATED,)), False, frozenset())
_NOT_OURS = Evaluation(False, frozenset(), True, frozenset((ROUTE_NOT_FOUND,)))


def internal_evaluation(path: str, session_id: str) -> Evaluation:
    """What stands in the place of a policy's evaluation for an address of our own.

    ``path`` is the normalised path, ``session_id`` that of the caller or "". A final slash changes nothing:
    the pages are found with it too. Paths that are not ours are denied: routes and policies decide on them.
    """
    if not reserved(path):
        return _NOT_OURS
    if path.removesuffix("/") in _SIGNED_IN_ONLY and not session_id:
        return _SIGN_IN_FIRST
    return _ALLOWED
