"""Sign-ins that did not come to a good end."""

from __future__ import annotations

from ..facts import ErrorFacts, Link
from .wording import ASK, TRY_AGAIN


def identity_provider_unavailable(restart_url: str = "") -> ErrorFacts:
    return ErrorFacts(
        503,
        "The identity provider does not answer",
        "Signing in needs the identity provider, and it cannot be reached or has a fault.",
        TRY_AGAIN,
        "identity_provider_unavailable",
        actions=_restart(restart_url),
    )


def sign_in_failed(message: str = "", restart_url: str = "") -> ErrorFacts:
    """The provider's answer is not acceptable. ``message``: one sentence of our own, not the provider's."""
    return ErrorFacts(
        400,
        "You could not be signed in",
        message or "The identity provider's answer could not be accepted.",
        f"Start again. If that fails too, someone has to look into it. {ASK}",
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


def session_not_kept(restart_url: str = "") -> ErrorFacts:
    """The browser came back again and again without the cookie that it was sent away with."""
    return ErrorFacts(
        400,
        "This browser does not keep the sign-in",
        "You are signed in, but your browser came back three times without the cookie that says so.",
        "Allow cookies for the address that you wanted, in private windows and extensions too, and start "
        f"again. If others see this page as well, it is no fault of their browsers. {ASK}",
        "session_not_kept",
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


def _restart(url: str, label: str = "Start again") -> tuple[Link, ...]:
    return (Link(label, url),) if url else ()
