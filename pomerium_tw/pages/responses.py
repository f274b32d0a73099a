"""From a decision to what is answered (spec/ppl §6): one way for the data path and for the command."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum

from ..model import ANONYMOUS, Decision, Identity, Outcome, Reply, Request
from . import texts
from .accept import wants_redirect
from .errors import denial_reply, unauthenticated_reply
from .facts import Detail
from .mcp import call_denied_reply, unauthorized_reply

STEP_UP_PATHS = frozenset(("/.pomerium/webauthn", "/.pomerium/device-enrolled"))
"""The pages of a device's registration: they must not ask for it themselves."""


class Way(Enum):
    """Where a request goes that is not answered by a whole reply here."""

    PASS = "pass"  # noqa: S105 - no password
    """On, to the upstream or the page of ours that it asked for."""
    SIGN_IN = "sign-in"
    """By a redirect to the authenticate service, to sign in."""
    STEP_UP = "step-up"
    """By a redirect to the authenticate service, to register the device."""


def _nowhere() -> str:
    return ""


def response_for(
    decision: Decision,
    request: Request,
    *,
    identity: Identity = ANONYMOUS,
    details: tuple[Detail, ...] = (),
    login_url: Callable[[], str] = _nowhere,
    mcp_server: bool = False,
) -> Way | Reply:
    """What the decision means to this caller.

    ``details``: why, for routes that tell. ``login_url``: where a program may send its user to sign in, ""
    for nowhere; asked for only when it is needed. ``mcp_server``: the route serves agents.
    """
    if decision.outcome is Outcome.ALLOW:
        return Way.PASS
    if decision.outcome is Outcome.LOGIN:
        if mcp_server:
            return unauthorized_reply(request)
        return Way.SIGN_IN if wants_redirect(request) else unauthenticated_reply(request, login_url())
    if decision.outcome is Outcome.STEP_UP:
        return _step_up(request, details, mcp_server)
    # Any outcome besides is a denial, one that nobody thought of here too.
    if decision.status == 403:
        if request.mcp is not None:
            return call_denied_reply(request, request.mcp)
        if mcp_server:
            return unauthorized_reply(request)
    return denial_reply(texts.denied(decision, identity, details), request)


def _step_up(request: Request, details: tuple[Detail, ...], mcp_server: bool) -> Way | Reply:
    if request.target.path in STEP_UP_PATHS:
        return Way.PASS
    if wants_redirect(request, mcp_server=mcp_server):
        return Way.STEP_UP
    return denial_reply(texts.device_not_known(details), request)
