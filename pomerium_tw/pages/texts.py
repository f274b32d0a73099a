"""Every error that people meet, in plain words: what happened, and what to do next.

A text tells a visitor nothing about the inside of the network: addresses of upstreams and answers of
providers go to the log, where the request id finds them.
"""

from __future__ import annotations

from ..model import ANONYMOUS, Decision, Identity
from .facts import Detail, ErrorFacts, Link

_USER_PAGE = "/.pomerium/"
_SIGN_OUT = "/.pomerium/sign_out"
_ASK = "Tell the people who run this service, with the request id below: it is in their log too."
_TRY_AGAIN = (
    "Try again in a moment. If it goes on, tell the people who run this service, with the request id."
)

MAX_ACCOUNT_CHARACTERS = 254
"""Of a name in a sentence: the longest e-mail address (RFC 5321 §4.5.3.1.3, erratum 1690)."""


# --- authorization --------------------------------------------------------------------------------


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
            f"If you think that it should, ask for access. {_ASK}",
            reason,
            details=details,
        )
    return ErrorFacts(
        403,
        "You cannot open this page",
        f"You are signed in as {_printable(account)}, and this application does not let that account in.",
        "If you have another account, sign out and come back with it. If this one should do, ask for access. "
        + _ASK,
        reason,
        details=details,
        actions=(Link("Your account", _USER_PAGE), Link("Sign out", _SIGN_OUT)),
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
        f"Use an approved device, or have this one approved. {_ASK}",
        reason or "device not authorized",
        details=details,
        actions=(Link("Your account", _USER_PAGE),),
    )


def device_not_known(details: tuple[Detail, ...] = ()) -> ErrorFacts:
    """A registered device is asked for, and whoever asks could not go and register one."""
    return ErrorFacts(
        401,
        "This device is not known",
        "The policy of this application asks for a registered device, and this session has none.",
        f"Use a device that is registered. {_ASK}",
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
        f"Signing in again does not help. {_ASK}",
        "device not registered",
        details=details,
        actions=(Link("Your account", _USER_PAGE),),
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


# --- the data path --------------------------------------------------------------------------------


def upstream_unreachable(
    reason: str = "upstream_reset_before_response_started{connection_failure}",
) -> ErrorFacts:
    """No connection: refused, unresolvable, or TLS failed."""
    return ErrorFacts(
        503,
        "The application does not answer",
        "You were let in, but the application behind this address could not be reached.",
        f"It may be starting or down. {_TRY_AGAIN}",
        reason,
        "UF",
    )


def upstream_dropped(
    reason: str = "upstream_reset_before_response_started{connection_termination}",
) -> ErrorFacts:
    """The connection ended before an answer began."""
    return ErrorFacts(
        503,
        "The application hung up",
        "The application took the request and closed the connection without an answer.",
        f"What you asked for may or may not have been done: check before you send it again. {_ASK}",
        reason,
        "UC",
    )


def upstream_malformed(reason: str = "upstream_protocol_error") -> ErrorFacts:
    """The answer breaks HTTP in a way that must not be passed on."""
    return ErrorFacts(
        502,
        "The application's answer cannot be used",
        "The application answered, but not in valid HTTP, so its answer was not passed on.",
        f"Trying again is unlikely to help. {_ASK}",
        reason,
        "UPE",
    )


def upstream_timeout(reason: str = "upstream_response_timeout") -> ErrorFacts:
    return ErrorFacts(
        504,
        "The application took too long",
        "The application did not finish its answer within the time that is allowed for it.",
        f"What you asked for may still be done: check before you send it again. {_ASK}",
        reason,
        "UT",
    )


def store_unavailable(reason: str = "databroker_unavailable") -> ErrorFacts:
    """Sessions cannot be read: nobody can be let in."""
    return ErrorFacts(
        503,
        "Sessions cannot be checked",
        "The store that holds the sessions does not answer, so nobody can be let in at the moment.",
        f"Your session is not lost. {_TRY_AGAIN}",
        reason,
    )


# --- sign-in --------------------------------------------------------------------------------------


def identity_provider_unavailable(restart_url: str = "") -> ErrorFacts:
    return ErrorFacts(
        503,
        "The identity provider does not answer",
        "Signing in needs the identity provider, and it cannot be reached or has a fault.",
        _TRY_AGAIN,
        "identity_provider_unavailable",
        actions=_restart(restart_url),
    )


def sign_in_failed(message: str = "", restart_url: str = "") -> ErrorFacts:
    """The provider's answer is not acceptable. ``message``: one sentence of our own, not the provider's."""
    return ErrorFacts(
        400,
        "You could not be signed in",
        message or "The identity provider's answer could not be accepted.",
        f"Start again. If that fails too, someone has to look into it. {_ASK}",
        "sign_in_failed",
        actions=_restart(restart_url),
    )


def access_denied(restart_url: str = "") -> ErrorFacts:
    """The provider, or the person there, refused (``access_denied``, ``unauthorized_client``)."""
    return ErrorFacts(
        401,
        "The identity provider refused",
        "The sign-in was cancelled, or the identity provider does not let this account use this service.",
        "Start again with another account, or ask whoever manages your account to grant it access.",
        "access_denied",
        actions=_restart(restart_url, "Sign in with another account"),
    )


def sign_in_expired(restart_url: str = "") -> ErrorFacts:
    return ErrorFacts(
        400,
        "This sign-in has expired",
        "A sign-in has to be finished within five minutes, and this one took longer.",
        "Start again: you will come back to the page that you wanted.",
        "sign_in_expired",
        actions=_restart(restart_url),
    )


def sign_in_not_ours(restart_url: str = "") -> ErrorFacts:
    """State that is forged, changed, or of another browser."""
    return ErrorFacts(
        400,
        "This sign-in does not belong to this browser",
        "The identity provider's answer was changed, or belongs to a sign-in that began elsewhere. "
        "Nobody was signed in.",
        "Do not sign in by links from others. Open the page that you want in this browser and start there; "
        "cookies have to be allowed.",
        "sign_in_not_ours",
        actions=_restart(restart_url),
    )


def sign_in_already_used(restart_url: str = "") -> ErrorFacts:
    return ErrorFacts(
        400,
        "This sign-in was already used",
        "Each sign-in works once, and this one is done: perhaps the page was reloaded, or gone back to.",
        "Open the page that you wanted: you may be signed in already. Otherwise start again.",
        "sign_in_already_used",
        actions=_restart(restart_url),
    )


def link_not_valid(restart_url: str = "") -> ErrorFacts:
    """A signed URL that is expired, changed, or was never ours."""
    return ErrorFacts(
        400,
        "This link is not valid",
        "The link was changed, is incomplete, or is older than it may be, so it was not followed.",
        "Open the page that you wanted by its own address, not from history or a bookmark.",
        "invalid_signature",
        actions=_restart(restart_url),
    )


# --- our own resources ----------------------------------------------------------------------------


def page_not_found() -> ErrorFacts:
    """An unknown path under ``/.pomerium/``."""
    return ErrorFacts(
        404,
        "There is no such page",
        "Addresses under /.pomerium/ belong to the access proxy, and it has no page here.",
        "Go to your account, or back to the application.",
        "not_found",
        actions=(Link("Your account", _USER_PAGE), Link("Application", "/")),
    )


def nothing_known() -> ErrorFacts:
    """A session whose user cannot be named to an application."""
    return ErrorFacts(
        404,
        "Nothing is known about this account",
        "There is a session, but no user that belongs to it.",
        "Sign out, then sign in again.",
        "not_found",
        actions=(Link("Sign out", _SIGN_OUT),),
    )


def bad_request(message: str, advice: str = "Go back and start from the page before.") -> ErrorFacts:
    """A request that one of our own pages cannot serve."""
    return ErrorFacts(400, "This request cannot be served", message, advice, "bad_request")


def internal() -> ErrorFacts:
    """An unexpected exception: the log has the traceback."""
    return ErrorFacts(
        500,
        "Something went wrong on our side",
        "The access proxy met an error that it did not expect, and did not carry out this request.",
        _TRY_AGAIN,
        "Internal Server Error",
    )


def _restart(url: str, label: str = "Start again") -> tuple[Link, ...]:
    return (Link(label, url),) if url else ()


def _printable(text: str) -> str:
    """Without controls and direction marks: a name must not rewrite the sentence around it."""
    return "".join(character for character in text if character.isprintable())[:MAX_ACCOUNT_CHARACTERS]
