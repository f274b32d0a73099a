"""Denials: who may not come in, and why."""

from __future__ import annotations

from ...model import ANONYMOUS, Decision, Identity
from ..facts import Detail, ErrorFacts, Link
from .wording import ASK, SIGN_OUT, USER_PAGE

MAX_ACCOUNT_CHARACTERS = 254
"""Of a name in a sentence: the longest e-mail address (RFC 5321 §4.5.3.1.3, erratum 1690)."""


def denied(
    decision: Decision, identity: Identity = ANONYMOUS, details: tuple[Detail, ...] = ()
) -> ErrorFacts:
    """What a denial means to the caller, by the decision's status (403, 404, 450 or 495)."""
    if decision.status == 404:
        return route_not_found(decision.reason)
    if decision.status == 450:
        return device_not_authorized(decision.reason, details)
    if decision.status == 495:
        return client_certificate_required(decision.reason, details)
    return forbidden(decision.reason, identity.email or identity.user_id, details)


def forbidden(reason: str = "", account: str = "", details: tuple[Detail, ...] = ()) -> ErrorFacts:
    """The policy says no. ``account`` names who is signed in, "" for nobody."""
    if not account:
        return ErrorFacts(
            403,
            "You cannot open this page",
            "The policy of this application does not allow this request.",
            f"If you think that it should, ask for access. {ASK}",
            reason,
            details=details,
        )
    return ErrorFacts(
        403,
        "You cannot open this page",
        f"You are signed in as {_printable(account)}, and this application does not let that account in.",
        "If you have another account, sign out and come back with it. If this one should do, ask for access. "
        + ASK,
        reason,
        details=details,
        actions=(Link("Your account", USER_PAGE), Link("Sign out", SIGN_OUT)),
    )


def unauthenticated(login_url: str = "") -> ErrorFacts:
    """A session is needed and a redirect was not wanted."""
    return ErrorFacts(
        401,
        "Please sign in",
        "This address is only for people who have signed in, and this request came without a valid session.",
        "Sign in, then try again. Programs present their session in the Authorization header.",
        "Unauthenticated",
        actions=(Link("Sign in", login_url),) if login_url else (),
    )


def device_not_authorized(reason: str = "", details: tuple[Detail, ...] = ()) -> ErrorFacts:
    return ErrorFacts(
        450,
        "This device is not authorized",
        "Your account is known, but the policy of this application asks for a device that has been approved.",
        f"Use an approved device, or have this one approved. {ASK}",
        reason or "device not authorized",
        details=details,
        actions=(Link("Your account", USER_PAGE),),
    )


def device_not_known(details: tuple[Detail, ...] = ()) -> ErrorFacts:
    """A registered device is asked for, and whoever asks could not go and register one."""
    return ErrorFacts(
        401,
        "This device is not known",
        "The policy of this application asks for a registered device, and this session has none.",
        f"Use a device that is registered. {ASK}",
        "Unauthenticated",
        details=details,
    )


def device_not_registered(details: tuple[Detail, ...] = ()) -> ErrorFacts:
    """As :func:`device_not_known`, to a browser, where no page of ours registers devices."""
    return ErrorFacts(
        450,
        "This device is not registered",
        "The policy of this application asks for a registered device, and this session has none. "
        "Devices cannot be registered in this version of the access proxy.",
        f"Signing in again does not help. {ASK}",
        "device not registered",
        details=details,
        actions=(Link("Your account", USER_PAGE),),
    )


def mcp_sign_in() -> ErrorFacts:
    """An agent's tools are asked for by a program that is not let in, or not yet."""
    return ErrorFacts(
        401,
        "Please sign in",
        "This address serves agents, and this request came without a token that lets it in.",
        "Agents find how to get one by the WWW-Authenticate header of this answer.",
        "Unauthorized",
    )


def client_certificate_required(reason: str = "", details: tuple[Detail, ...] = ()) -> ErrorFacts:
    return ErrorFacts(
        495,
        "A client certificate is needed",
        "This application only talks to browsers and programs that show a valid client certificate.",
        "Install the certificate that you were given, restart the browser, and choose it when asked.",
        reason or "a valid client certificate is required to access this page",
        details=details,
    )


def route_not_found(reason: str = "") -> ErrorFacts:
    """No route has this host and path."""
    return ErrorFacts(
        404,
        "There is nothing at this address",
        "No application is set up for this host name and path.",
        "Check the address for a typing error. If it was given to you like this, tell whoever gave it.",
        reason or "route_not_found",
        "NR",
    )


def _printable(text: str) -> str:
    """Without controls and direction marks: a name must not rewrite the sentence around it."""
    return "".join(character for character in text if character.isprintable())[:MAX_ACCOUNT_CHARACTERS]
